"""One file per job system."""
