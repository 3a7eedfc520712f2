"""Trainers whose faults only steps on the model show, and healthy ones beside them."""
