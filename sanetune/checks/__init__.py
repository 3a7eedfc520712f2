"""The catalogue of faults: one fault, one file, named for what is wrong. See :mod:`sanetune.check`."""
