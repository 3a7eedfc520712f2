"""Logs of public repositories that were read by eye before the checks saw them."""
