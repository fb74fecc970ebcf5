"""Pure values: what jobchaos speaks of. No clock, thread, file, environment, pytest or Hypothesis."""
