"""Logs of other programs, read as curves."""
