"""The scripts that made the demo's model and data from one seed."""
