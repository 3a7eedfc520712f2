"""Checks of a server that runs the trained model, and of the file that it runs."""
