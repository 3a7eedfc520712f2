"""Checks of the labels that the trainer will use."""
