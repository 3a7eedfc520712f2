"""Material that nobody here made, one folder per kind, with what is right about it."""
