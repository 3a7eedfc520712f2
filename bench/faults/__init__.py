"""Faults injected on purpose, beside clean twins: what the gate catches, what it names, and when it cries wolf."""
