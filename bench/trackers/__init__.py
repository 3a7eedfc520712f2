"""What each tracker has of a real run, by its own library, and what a run has of a tracker that fails."""
