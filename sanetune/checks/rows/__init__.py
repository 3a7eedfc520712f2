"""Checks of the data rows."""
