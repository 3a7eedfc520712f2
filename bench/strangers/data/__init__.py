"""Data files as strangers have them, and what is right about each: findings, texts in the loss, texts that are not."""
