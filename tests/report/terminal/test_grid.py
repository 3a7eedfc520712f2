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


def drawn(curves: dict[str, tuple[list[int], list[float]]], *, shared: bool) -> list[str]:
    return [line.plain for line in drawing(curves, label=str, last=2, shared=shared) if isinstance(line, Text)]


def test_a_point_before_the_first_step_is_at_step_0() -> None:
    lines = drawn({"trial": ([0, 1, 2], [3.0, 2.0, 1.0])}, shared=False)
    columns = [line.index("●") for line in lines if "●" in line[LEFT:] and "trial" not in line]
    assert columns == [LEFT, LEFT + 34, LEFT + WIDTH - 1]
    assert any("step 0" in line for line in lines)
    assert any("step 1" in line for line in drawn({"run": ([1, 2], [2.0, 1.0])}, shared=False))


def test_a_place_of_two_curves_has_a_symbol_of_its_own_where_none_may_hide_another() -> None:
    curves = {"first": ([1, 2], [2.0, 1.0]), "second": ([1, 2], [2.0, 1.5])}
    several = drawn(curves, shared=True)
    assert several[0][LEFT] == "*" and "* several" in several[-1]
    assert drawn(curves, shared=False)[0][LEFT] == "●"
    apart = drawn({"first": ([1, 1], [2.0, 2.0]), "second": ([2], [1.0])}, shared=True)
    assert not any("*" in line for line in apart)
