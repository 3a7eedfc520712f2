"""Pages of the site that are made while MkDocs builds it, and the navigation of the pages of checks.

``mkdocs.yml`` names this file as a hook. Made are the home page (``README.md``), ``benchmarks.md``
(``bench/README.md``), ``examples.md``, ``commands.md`` (``--help`` of every command) and the reference of the code, one
page for each folder of the package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

HOME = Path(__file__).resolve().parents[2]

WIDTH = 84
"""Columns of ``--help`` that fit into a block of the site."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the entries of the navigation that are made: ``Checks`` and ``Reference``; pages named nowhere follow."""
    nav: list[dict[str, Any]] = config.nav or []
    filled = {"Checks": _checks(), "Code": _code_nav()}
    for entry in nav:
        for title in entry:
            entry[title] = filled.get(title, entry[title])
    named = set(_paths(nav))
    others = [file.name for file in sorted((HOME / "docs").glob("*.md")) if file.name not in named]
    guides = next(entry["Guides"] for entry in nav if "Guides" in entry)
    guides.extend(others)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    from mkdocs.structure.files import File

    for name, text in made().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Take the links out that lead to files of the repository that are not on the site; their text stays."""
    outside = "../" * (page.file.src_uri.count("/") + 1)
    return re.sub(rf"\[([^\]]+)\]\({re.escape(outside)}[^)]*\)", r"\1", markdown)


def made() -> dict[str, str]:
    """Return the pages that are made: path below ``docs/`` -> Markdown."""
    pages = {
        "index.md": "---\nhide: [navigation]\n---\n\n" + home((HOME / "README.md").read_text(encoding="utf-8")),
        "examples.md": examples(),
        "commands.md": commands(),
        **{f"code/{name}.md": text for name, text in code().items()},
    }
    bench = HOME / "bench" / "README.md"
    if bench.is_file():
        pages["benchmarks.md"] = bench.read_text(encoding="utf-8").replace("](../docs/", "](")
    return pages


def home(readme: str) -> str:
    """Return ``README.md`` as a page of ``docs/``: links to files of the repository lead to pages of the site.

    >>> home("[a](docs/gate.md#fixes), [b](examples/lora.yaml), [c](LICENSE)")
    '[a](gate.md#fixes), [b](examples.md#lorayaml), c'
    """
    text = re.sub(r"(\]\(|src=\")docs/", r"\1", readme)
    text = re.sub(r"\]\(bench/README\.md", "](benchmarks.md", text)
    text = re.sub(r"\]\(examples/?\)", "](examples.md)", text)
    text = re.sub(r"\]\(examples/([\w.]+)\)", lambda one: f"](examples.md#{_anchor(one[1])})", text)
    return re.sub(r"\[([^\]]+)\]\((?:LICENSE|sanetune/|tests/|tools/|bench/)[^)]*\)", r"\1", text)


def _anchor(title: str) -> str:
    return re.sub(r"[^\w-]", "", title.lower())


def examples() -> str:
    """Return the files of ``examples/``, each as a block with its name as heading."""
    parts = ["# Examples", "Configurations and scripts, as they are in the folder `examples/`."]
    for file in sorted((HOME / "examples").iterdir()):
        language = {".py": "python", ".yaml": "yaml", ".json": "json"}.get(file.suffix)
        if language:
            parts += [f"## {file.name}", f"```{language}\n{file.read_text(encoding='utf-8').strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def commands() -> str:
    """Return ``--help`` of every command."""
    import importlib

    import click

    from sanetune.cli import COMMANDS, main

    parts = ["# Commands", "What `sanetune COMMAND --help` prints."]
    parts.append(f"```text\n{click.Context(main, info_name='sanetune', terminal_width=WIDTH, max_content_width=WIDTH).get_help()}\n```")
    for name in COMMANDS:
        command = importlib.import_module(f"sanetune.cli.{name}").command
        text = click.Context(command, info_name=f"sanetune {name}", terminal_width=WIDTH, max_content_width=WIDTH).get_help()
        parts += [f"## {name}", f"```text\n{text}\n```"]
    return "\n\n".join(parts) + "\n"


def code() -> dict[str, str]:
    """Return the reference of the code: folder of the package -> a page with its modules."""
    pages = {}
    for folder, files in groupby(_modules(), key=lambda file: file.relative_to(HOME / "sanetune").parts[0]):
        modules = [".".join(file.relative_to(HOME).with_suffix("").parts) for file in files]
        name = folder.removesuffix(".py")
        pages[name] = "\n\n".join([f"# sanetune.{name}", *(f"::: {module}" for module in modules)]) + "\n"
    return pages


def _modules() -> Iterator[Path]:
    """All modules but checks, which have pages of their own, commands, which have help, and those of the API page."""
    api = re.findall(r"^::: (.+)$", (HOME / "docs" / "api.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for file in sorted((HOME / "sanetune").rglob("*.py")):
        parts = file.relative_to(HOME / "sanetune").parts
        check = parts[0] == "checks" and len(parts) > 2
        named = ".".join(("sanetune", *parts)).removesuffix(".py") in api
        if not (check or named or parts[0] == "cli" or parts[-1] in ("__init__.py", "__main__.py")):
            yield file


def _code_nav() -> list[dict[str, str]]:
    return [{f"sanetune.{name}": f"code/{name}.md"} for name in code()]


def _checks() -> list[Any]:
    from sanetune.gate.catalogue import catalogue

    nav: list[Any] = ["checks/README.md"]
    for family, checks in groupby(catalogue().values(), key=lambda check: check.family):
        nav.append({family: [{check.name: f"checks/{check.name}.md"} for check in checks]})
    return nav


def _paths(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for one in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _paths(one)
