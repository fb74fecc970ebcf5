"""Running one schedule: the baton, controlled workers, blocking."""
