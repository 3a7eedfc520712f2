"""What came of an act of the autopilot, in a sentence, for terminal and page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sanetune import units

Plain = Mapping[str, Any]


def done_text(entry: Plain) -> str:
    """Return what the entry of an act says; "" where there is nothing to say."""
    if (failed := entry.get("failed")) is not None:
        return f"could not be done: {failed['message']}"
    words = _WORDS.get(str(entry.get("act")))
    return words(entry["facts"]) if words is not None else ""


def _inspected(facts: Plain) -> str:
    named = ", ".join(f"{one['check']} ({one['verdict']})" for one in facts["found"])
    rows = f"{units.many(facts['rows'], 'training row')}, {facts['validation']:,} held out"
    words = f"{rows}, {facts['unreadable']:,} unreadable; found: {named or 'nothing'}"
    changes = ", ".join(f"{key} {value}" for key, value in facts.get("changes", {}).items())
    return f"{words}; fixed: {changes}" if changes else words


def _copied(facts: Plain) -> str:
    left = ", ".join(f"{count:,} by {check}" for check, count in facts["left_out"].items())
    changed = sum(facts["changed"].values())
    return f"{facts['rows']:,} rows kept, left out: {left or 'none'}; {changed:,} repaired"


def _planned(facts: Plain) -> str:
    return (
        f"{facts['steps']:,} steps, {units.epochs(facts['epochs'])} epochs, learning rate {units.lr(facts['lr'])}; "
        f"up to {units.seconds(facts['run_seconds'])} ({facts['assumed']})"
    )


def _checked(facts: Plain) -> str:
    changes = ", ".join(f"{key} {value}" for key, value in facts["changes"].items())
    words = f"{facts['verdict']} at level {facts['level']}, fixed: {changes or 'nothing'}"
    if facts["run_seconds"] is not None:
        words += f"; the run takes up to {units.seconds(facts['run_seconds'])}"
    return words


def _advised(facts: Plain) -> str:
    changes = ", ".join(f"{key} {value}" for key, value in facts["changes"].items())
    return f"proposed: {changes or 'nothing'}; {'accepted' if facts['accepted'] else 'refused'}: {facts['reason']}"


def _swept(facts: Plain) -> str:
    return f"{units.many(facts['trials'], 'trial')}: {facts['reason']}"


def _changed(facts: Plain) -> str:
    return ", ".join(f"{key} is now {value}" for key, value in facts["changes"].items())


def _trained(facts: Plain) -> str:
    words = f"{facts['ended']} at step {facts['step']:,} of {facts['steps']:,}"
    return f"{words}; {facts['reason']}" if facts["reason"] else words


def _compared(facts: Plain) -> str:
    words = f"{facts['verdict']} on {facts['rows']:,} held-out rows"
    if isinstance(facts["loss"], float):
        words += f": loss {facts['loss']:+.4f} nats per token ({facts['low']:+.4f} to {facts['high']:+.4f})"
    return f"{words}; general knowledge: {facts['forgot'] or 'not asked'}"


def _judged(facts: Plain) -> str:
    share = "none" if facts["win_rate"] is None else units.share(facts["win_rate"])
    interval = f"{units.share(facts['low'])} to {units.share(facts['high'])}"
    counts = f"{facts['wins']} wins, {facts['losses']} losses, {facts['ties']} ties, {facts['failed']} unread"
    return f"win rate {share} ({interval}): {counts}"


def _promoted(facts: Plain) -> str:
    return f"the model is in {facts['folder']}"


_WORDS: Mapping[str, Callable[[Plain], str]] = {
    "inspect": _inspected,
    "copy": _copied,
    "plan": _planned,
    "check": _checked,
    "advise": _advised,
    "sweep": _swept,
    "change": _changed,
    "train": _trained,
    "compare": _compared,
    "judge": _judged,
    "promote": _promoted,
}
