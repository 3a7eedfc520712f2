"""Turn rows of any file into token ids and labels."""
