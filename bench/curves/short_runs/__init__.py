"""Real short runs of small models, healthy and with faults, and what the curve checks say while they grow."""
