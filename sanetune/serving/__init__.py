"""Servers that run a trained model, files that they run it from, and the way from one to the other."""
