"""Logs of runs, our own and other programs', read as curves."""
