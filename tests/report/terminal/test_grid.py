"""Curves on a terminal can be told apart."""

from __future__ import annotations

from rich.text import Text

from sanetune.report.terminal.grid import LEFT, WIDTH, drawing


def test_a_symbol_of_the_legend_is_in_the_line_of_its_name() -> None:
    names = [f"learning_rate=0.00{n}, r={n}" for n in range(1, 5)]
    lines = drawing({name: ([1, 2], [2.0, 1.0]) for name in names}, label=str, last=2)
    plain = [line.plain for line in lines if isinstance(line, Text)]
    for symbol, name in zip("●○+x", names, strict=True):
        assert any(f"{symbol} {name}" in line for line in plain)
    assert all(len(line.rstrip()) <= LEFT + WIDTH for line in plain)


def test_twenty_curves_have_a_symbol_each() -> None:
    curves = {f"set {n}": ([1, 2], [float(n), float(n)]) for n in range(20)}
    lines = [line.plain for line in drawing(curves, label=str, last=2, height=60) if isinstance(line, Text)]
    rows = [line[LEFT:].strip() for line in lines[:60]]
    assert len({row[0] for row in rows if row}) == 20
