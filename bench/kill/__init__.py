"""Runs that are killed at random moments and resumed are bit for bit the run that was never killed."""
