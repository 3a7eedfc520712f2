"""Checks of the processes that train together."""
