"""Evidence for checks: built once, when a check first asks for it."""
