"""Texts and files made of events and verdicts only."""
