"""Curve checks on real and simulated logs."""
