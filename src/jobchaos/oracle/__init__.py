"""Judging a run: what is wrong with it, under which code, in which words."""
