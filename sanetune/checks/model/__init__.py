"""Checks that pass batches through the real model."""
