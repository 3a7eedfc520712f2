"""What the autopilot does between two decisions: each act uses one of the package's own workflows."""
