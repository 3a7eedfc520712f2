"""What each command does, as a function: arguments in, results out."""
