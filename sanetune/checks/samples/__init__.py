"""Checks of the answers that the model gives."""
