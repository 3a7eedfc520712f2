"""What this machine and environment can do, and what is missing, with the command that puts it right."""
