"""Whole tiny runs, and what their first steps foretell of their end."""
