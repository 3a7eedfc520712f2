"""The time and the cost of a run, forecast from measured steps."""
