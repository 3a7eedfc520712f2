"""Useful tokens per second beside TRL's trainer."""
