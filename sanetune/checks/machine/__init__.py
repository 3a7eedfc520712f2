"""Checks of memory, disk, speed and budget."""
