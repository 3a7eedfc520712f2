"""The gate: evidence is gathered once, checks measure it, and what they find is judged."""
