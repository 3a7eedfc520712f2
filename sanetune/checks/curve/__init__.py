"""Checks of training and validation curves."""
