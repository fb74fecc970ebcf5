"""One file per library: driver calls become effects."""
