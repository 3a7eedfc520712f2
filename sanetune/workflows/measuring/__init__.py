"""Chooses micro-batch, checkpointing, packs or rows, and precision of a run by measuring its first steps."""
