"""The static gate on clean rows of every kind, over real chat templates."""
