"""A session around a trainer that somebody has built: its own loss, batches and optimizer, and no trace of it after."""
