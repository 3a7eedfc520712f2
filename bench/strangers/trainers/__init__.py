"""Training scripts as people write them, rebuilt around small models: no part of the trainer is ours."""
