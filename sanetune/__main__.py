"""``python -m sanetune``."""

from sanetune.cli import main

main(prog_name="sanetune")
