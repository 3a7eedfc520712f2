"""Experiments on the real model: short, measured, and undone afterwards."""
