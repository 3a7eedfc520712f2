"""Rows from any file, folder or Hub data set."""
