"""The autopilot: an explicit state machine that carries a fine-tune from a data file and a budget to a verdict."""
