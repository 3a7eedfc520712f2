"""The site: pages that are made, roles in docstrings, and links that lead somewhere."""

from __future__ import annotations

from pathlib import Path

from sanetune.cli import COMMANDS
from sanetune.gate.catalogue import catalogue
from tools.site import hooks, links, roles


def test_made_pages_hold_every_command_example_and_module() -> None:
    pages = hooks.made()
    assert all(f"\n## {name}\n" in pages["commands.md"] for name in COMMANDS)
    assert "## own_trainer.py" in pages["examples.md"]
    assert "::: sanetune.data.labels\n" in pages["code/data.md"]
    assert "::: sanetune.checks.labels.on_prompt" not in pages["code/checks.md"]


def test_the_home_page_leads_to_pages_of_the_site() -> None:
    page = hooks.home("[gate](docs/gate.md), ![x](docs/x.svg), [all](examples), [tests](tests/test_docs.py)")
    assert page == "[gate](gate.md), ![x](x.svg), [all](examples.md), tests"


def test_every_check_is_in_the_navigation() -> None:
    named = set(hooks._paths(hooks._checks()))
    assert named == {"checks/README.md", *(f"checks/{name}.md" for name in catalogue())}


def test_roles_become_code() -> None:
    text = roles.markdown("See :class:`~sanetune.Gate` and ``steps``; ```fenced``` stays.")
    assert text == "See `sanetune.Gate` and `steps`; ```fenced``` stays."


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="b.html#there">1</a><a href="b.html#gone">2</a><a href="c.html">3</a>'
        '<a href="#top">4</a><a href="https://example.org">5</a><img src="x.png">'
    )
    (tmp_path / "b.html").write_text('<p id="there">B</p><a href="/a.html">back</a>')
    assert [link for _, link in links.broken(tmp_path)] == ["b.html#gone", "c.html", "x.png"]
    assert links.main(tmp_path) == 1
