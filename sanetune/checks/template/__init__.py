"""Checks of the chat template."""
