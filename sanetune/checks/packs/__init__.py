"""Checks of packing."""
