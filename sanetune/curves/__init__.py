"""Curves of runs: their points, noise and changes."""
