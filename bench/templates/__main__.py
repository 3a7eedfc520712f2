"""The static gate on clean rows of every kind, over every chat template that can be had.

``--more FOLDER``: a folder with a folder of templates (``*.jinja``) for each further set. ``--real FOLDER``: real
tokenizers. Writes docs/templates.md with ``--write``. It can be stopped and started again: cells that are in the file
of ``--json`` are not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench.templates.cells import Cell, cell
from bench.templates.page import summary, write
from bench.templates.shapes import KINDS
from bench.templates.sources import sources, stops
from bench.templates.tokenizers import Tokenizers, model_folder


def main() -> None:
    args = _options()
    found = [one for one in sources(args.more) if re.search(args.only, f"{one.origin}/{one.name}")]
    if args.quick:
        found = found[::8]
    tokenizers = Tokenizers.of(found, args.real)
    chosen = [kind for kind in KINDS if re.search(args.kind, kind)]
    kept = [Cell(**one) for one in json.loads(args.json.read_text())] if args.json and args.json.is_file() else []
    cells = {(one.template, one.kind): one for one in kept}
    with tempfile.TemporaryDirectory(prefix="bench-templates-") as name:
        os.environ["SANETUNE_CACHE"] = str(Path(name) / "cache")
        for number, source in enumerate(found):
            title = f"{source.origin}/{source.name}"
            if not (left := [kind for kind in chosen if (title, kind) not in cells]):
                continue
            _, tokenizer = tokenizers.of_template(source)
            tokenizer.init_kwargs["bench_stops"] = stops(source)
            folder = model_folder(Path(name) / str(number), source, tokenizer)
            for kind in left:
                one = cells[title, kind] = cell(title, kind, tokenizer, folder, folder)
                words = f"{title:60} {kind:24} {one.state:10} {one.seconds:4.1f}s {' '.join(one.alarms)}"
                print(words, file=sys.stderr, flush=True)
            if args.json:
                _store(args.json, cells.values())
    titles = [f"{one.origin}/{one.name}" for one in found]
    shown = [cells[title, kind] for title in titles for kind in chosen if (title, kind) in cells]
    if args.write:
        more = " --more FOLDER" if args.more else ""
        only = f"{more} --only '{args.only}'" if args.only else more
        write(shown, f"python -m bench.templates{only} --real FOLDER --write")
    _print(shown)


def _store(file: Path, cells: Iterable[Cell]) -> None:
    file.write_text(json.dumps([one.to_json() for one in cells], indent=1, ensure_ascii=False))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--quick", action="store_true", help="every eighth template")
    parser.add_argument("--more", type=Path, metavar="FOLDER", help="further sets of templates")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="tokenizers that real_material.py has built")
    parser.add_argument("--only", default="", metavar="REGEX", help="templates whose set/name matches")
    parser.add_argument("--kind", default="", metavar="REGEX", help="kinds that match")
    parser.add_argument("--write", action="store_true", help="write docs/templates.md")
    return parser.parse_args()


def _print(cells: list[Cell]) -> None:
    print(", ".join(f"{name} {count}" for name, count in summary(cells).items()))
    causes: Counter[tuple[str, str]] = Counter()
    for one in cells:
        if one.state in ("wrong", "refused"):
            causes[one.state, one.reason[:80]] += 1
        if one.state != "unrendered":
            causes.update((name, words.partition(":")[0]) for name, words in one.alarms.items())
    for (name, words), count in causes.most_common():
        print(f"{count:5} {name}: {words}")


if __name__ == "__main__":
    main()
