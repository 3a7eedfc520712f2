"""Checks of token ids."""
