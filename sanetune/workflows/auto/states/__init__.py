"""The states of the autopilot: each is a function from what is known to a decision, and does nothing itself."""
