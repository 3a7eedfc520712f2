"""Short experiments on the run's model, which are undone afterwards."""
