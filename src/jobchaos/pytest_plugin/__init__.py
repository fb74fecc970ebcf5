"""The switchboard between pytest and jobchaos."""
