"""Bad input at the gate: rows and chat templates that nobody should have, made at random from seeds."""
