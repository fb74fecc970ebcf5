"""Which schedules to run: the plan, and Hypothesis as its driver."""
