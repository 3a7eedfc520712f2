"""Measure base and tuned model of a run with lm-eval."""
