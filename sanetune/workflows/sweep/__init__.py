"""A sweep: short runs of one configuration that differ in a few values, compared on the same validation rows."""
