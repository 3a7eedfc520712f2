"""``python -m sanetune``, and the command ``sanetune``."""

import sys

from sanetune import collector
from sanetune.pipes import print_what_the_encoding_has


def run() -> None:
    """Run the command line in a process of its own."""
    print_what_the_encoding_has(sys.stdout)
    collector.own_process()
    with collector.importing():
        from sanetune.cli import main
    code: object = 1
    try:
        main(prog_name="sanetune")
    except SystemExit as end:
        code = end.code
        raise
    finally:
        # Imported only where a run has trackers.
        if (trackers := sys.modules.get("sanetune.engine.tracker_thread")) is not None:
            trackers.bound_end(code)


if __name__ == "__main__":
    run()
