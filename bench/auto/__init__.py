"""The autopilot from good and broken starts: what it ends with, beside the truth."""
