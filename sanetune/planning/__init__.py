"""What a run will do before it starts: batch sizes, steps, schedules, and the defaults that were inferred."""
