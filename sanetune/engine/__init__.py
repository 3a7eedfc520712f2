"""The training loop: an engine builds a session from a configuration, and a session trains or is probed."""
