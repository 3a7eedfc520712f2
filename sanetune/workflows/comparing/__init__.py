"""Comparing models: losses over the same rows, answers to the same prompts, a person's votes, and the verdict."""
