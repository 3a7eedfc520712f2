"""The gate: which checks run, what they found, what a fix invalidates, and the clearance of a run."""
