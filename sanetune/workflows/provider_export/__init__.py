"""Write the rows of a configuration as the training files of a provider's fine-tuning API."""
