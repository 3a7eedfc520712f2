"""Collects the content of the page from evidence and report: tokens, lengths, packs, settings and versions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, overload

from sanetune import units
from sanetune.config.origin import Origin, OriginKind
from sanetune.config.schema import Config
from sanetune.config.yaml_edit import comments, plain
from sanetune.data.labels import IGNORE_INDEX
from sanetune.data.token_texts import token_texts
from sanetune.evidence.registry import BrokenError, Evidence, MissingError
from sanetune.finding import Report
from sanetune.gate.fixer import Round
from sanetune.report.html import (
    ExampleView,
    Histogram,
    PackView,
    PageView,
    SettingView,
    TokenView,
    heading_of,
    page,
    token_spans,
)
from sanetune.runs import versions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.prepare import Prepared
    from sanetune.evidence.roles_from_text import TokenRoleStore
    from sanetune.planning.plan import Plan

EXAMPLES = 3
"""Training examples that are always shown."""
MOST_EXAMPLES = 16
"""Examples that are shown, at most."""
PACKS = 60
"""Packs that are handed to the page."""
KEPT_TOKENS = 20_000
"""Tokens of one example that are handed to the page, which leaves out the middle of a long example itself."""


def page_of(config: Config, evidence: Evidence, report: Report, before: Sequence[Round] = ()) -> str:
    """Return one self-contained HTML page about a check.

    Args:
        config: The configuration that was checked.
        evidence: Evidence of that configuration.
        report: What the checks found.
        before: The rounds of a correction before this check.
    """
    rounds = [*before, Round(report)] if before else ()
    heading = replace(heading_of(report), text=f"Checked on {_now()} in {units.seconds(report.seconds)}.")
    return page(replace(view(config, evidence, report), heading=heading, rounds=rounds))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def view(
    config: Config, evidence: Evidence, report: Report, known_versions: dict[str, str | None] | None = None
) -> PageView:
    """Return the content of the page about a check; evidence that could not be built is left out.

    Args:
        config: The configuration.
        evidence: What the checks measured.
        report: What they found.
        known_versions: Package versions of a finished run; None: those installed now.
    """
    prepared, plan = _built(evidence, "prepared"), _built(evidence, "plan")
    found = known_versions or versions(plan.sizes.machine.device if plan else None)
    return PageView(
        report=report,
        examples=_examples(prepared, evidence, report) if prepared else (),
        histogram=_histogram(prepared) if prepared else None,
        packs=_packs(prepared) if prepared else (),
        settings=settings_of(plan.config if plan else config),
        versions={name: value or "not installed" for name, value in found.items()},
        title=str(config.file.name if config.file else config.model.name),
    )


@overload
def _built(evidence: Evidence, name: Literal["prepared"]) -> Prepared | None: ...
@overload
def _built(evidence: Evidence, name: Literal["plan"]) -> Plan | None: ...
@overload
def _built(evidence: Evidence, name: Literal["token_roles"]) -> TokenRoleStore | None: ...
def _built(evidence: Evidence, name: str) -> object:
    """The evidence ``name``; None where it could not be built."""
    try:
        return evidence[name]
    except (MissingError, BrokenError):
        return None


def _examples(prepared: Prepared, evidence: Evidence, report: Report) -> list[ExampleView]:
    """Return the examples that witnesses name, then the first of each split."""
    named = [
        (witness.split, witness.example)
        for finding in report.findings
        for witness in finding.witnesses
        if witness.split is not None and witness.example is not None
    ]
    first = [("train", number) for number in range(EXAMPLES)] + [("validation", 0)]
    token_roles = _built(evidence, "token_roles")
    return [
        _example(prepared, token_roles, split, number)
        for split, number in list(dict.fromkeys([*named, *first]))[:MOST_EXAMPLES]
        if split in prepared.origins and number < len(prepared.origins[split].rows)
    ]


def _example(prepared: Prepared, token_roles: TokenRoleStore | None, split: str, number: int) -> ExampleView:
    """Return one example as it is trained, truncated to ``max_length``."""
    from sanetune.evidence.token_roles import NAMES

    origin = prepared.origins[split]
    row = origin.table.slice(origin.rows[number], 1).select(["input_ids", "labels"]).to_pylist()[0]
    limit = min(prepared.max_length, KEPT_TOKENS)
    ids, labels = row["input_ids"][:limit], row["labels"][:limit]
    known = token_roles.of(split, row["input_ids"][: prepared.max_length]) if token_roles else None
    roles = [NAMES[role] for role in known.roles_T[:limit]] if known else ["unknown"] * len(ids)
    in_loss = sum(label != IGNORE_INDEX for label in labels)
    texts = _texts(prepared.tokenizer, ids)
    return ExampleView(
        title=f"{split} {number}: {units.many(len(ids), 'token')}, {in_loss:,} in the loss",
        place=str(prepared.conversation(split, number).place).replace(f"{os.getcwd()}{os.sep}", ""),
        split=split,
        tokens=[TokenView(*one) for one in zip(texts, ids, labels, roles, strict=True)],
        number=number,
    )


def _texts(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    """The text of each token; "" in the middle of a long example, which the page leaves out."""
    if len(ids) <= 2 * token_spans.LONGEST:
        return token_texts(tokenizer, ids)
    head, tail = (token_texts(tokenizer, some) for some in (ids[: token_spans.LONGEST], ids[-token_spans.LONGEST :]))
    return [*head, *[""] * (len(ids) - 2 * token_spans.LONGEST), *tail]


def _histogram(prepared: Prepared) -> Histogram:
    figures = prepared.stats["histogram"]
    return Histogram(figures["counts"], figures["edges"], prepared.max_length)


def _packs(prepared: Prepared) -> list[PackView]:
    if not prepared.packed:
        return []
    rows = prepared.train.select(range(min(PACKS, len(prepared.train)))).select_columns(["seq_lengths", "rows"])
    return [PackView(row["seq_lengths"], prepared.max_length, row["rows"]) for row in rows]


def settings_of(config: Config) -> list[SettingView]:
    """Return every value that is set and its origin."""
    found = []
    for section in type(config).model_fields:
        part = getattr(config, section)
        values = {key: getattr(part, key) for key in type(part).model_fields if key != "given"}
        values |= getattr(part, "given", {})
        for key, value in values.items():
            origin = config.origins.get(f"{section}.{key}", Origin(OriginKind.DEFAULT))
            if value is None or (origin.kind is OriginKind.DEFAULT and value in ({}, [])):
                continue
            place = str(origin.place) if origin.place else ""
            found.append(SettingView(f"{section}.{key}", _text(value), origin.kind, origin.explanation, place))
    return found


def as_noted(settings: Sequence[SettingView], text: str) -> list[SettingView]:
    """Return ``settings`` with the origins that the resolved configuration ``text`` notes: in it all are given."""
    found, noted = [], comments(text)
    for one in settings:
        words = noted.get(one.key, "")
        kind, _, reason = words.partition(": ")
        if kind in (OriginKind.DEFAULT, OriginKind.INFERRED):
            one = replace(one, origin=kind, reason=reason, place="")
        elif words:
            one = replace(one, reason="", place=words.removeprefix("from "))
        found.append(one)
    return found


def _text(value: object) -> str:
    """A setting's value on one line; lists and mappings as JSON."""
    written = plain(value)
    if isinstance(written, (dict, list)):
        import orjson

        return orjson.dumps(written, default=str).decode()
    return str(written)
