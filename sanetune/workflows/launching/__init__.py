"""Writes the file with which a scheduler or a cloud starts a run: one module for each of them."""
