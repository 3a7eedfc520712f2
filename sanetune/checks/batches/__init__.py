"""Checks of batches and their order."""
