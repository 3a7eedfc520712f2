"""Which characters of a rendered conversation the model has to write."""
