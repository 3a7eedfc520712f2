"""``python -m sanetune``, and the command ``sanetune``."""

import codecs
import io
import sys

from sanetune import collector


def run() -> None:
    """Run the command line in a process of its own."""
    _print_what_the_encoding_has(sys.stdout)
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


def _print_what_the_encoding_has(stream: object) -> None:
    """Let ``stream`` print ``?`` for a character that its encoding lacks, as ``●`` in that of a Windows redirect: an
    exception there would be the exit code of a check that failed."""
    if not isinstance(stream, io.TextIOWrapper) or stream.errors != "strict":
        return
    if codecs.lookup(stream.encoding).name != "utf-8":
        stream.reconfigure(errors="replace")


if __name__ == "__main__":
    run()
