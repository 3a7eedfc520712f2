"""``python -m sanetune``, and the command ``sanetune``."""

from sanetune import collector


def run() -> None:
    """Run the command line in a process of its own."""
    collector.own_process()
    with collector.importing():
        from sanetune.cli import main
    main(prog_name="sanetune")


if __name__ == "__main__":
    run()
