"""Broken starts, and how `check --fix` ends them."""
