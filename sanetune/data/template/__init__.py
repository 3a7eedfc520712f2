"""Chat templates: rendered in a sandbox with limits of time and size."""
