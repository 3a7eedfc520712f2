"""The work of the tool fix: values that are given, a cleaned copy of the data, or all that findings propose."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.atomic import write_text
from sanetune.config import yaml_edit
from sanetune.config.load import load
from sanetune.config.yaml_read import read_text
from sanetune.errors import ConfigError, Place, UserError
from sanetune.gate.fixer import backed_up
from sanetune.mcp import checking
from sanetune.mcp.call import Call
from sanetune.mcp.confine import confine, refuse_new_trackers
from sanetune.mcp.findings import as_json
from sanetune.mcp.next_steps import after_fix
from sanetune.mcp.replies import Change, Cleaned, FixReply

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.evidence.registry import Evidence
    from sanetune.finding import Report
    from sanetune.gate.fixer import Round

BY = "the agent"
"""Who changed a value, in the comment beside it and in the reply."""


def fix(call: Call) -> FixReply:
    """Change the file of a configuration; a copy of it as it was stays beside it."""
    changes, clean, remove = call.arguments.get("changes"), call.text("clean"), call.texts("remove")
    if clean:
        return _cleaned(call, clean)
    if changes or remove:
        return _edited(call, dict(changes) if isinstance(changes, Mapping) else {}, remove)
    return _corrected(call)


def _edited(call: Call, values: dict[str, object], remove: Sequence[str], cleaned: Cleaned | None = None) -> FixReply:
    """Write values that are given, unless the file could not be used with them."""
    file = call.roots.path(call.text("config"), "the configuration")
    before = read_text(file)
    gone = [*remove, *_old_names(file, values)]
    text = yaml_edit.change(yaml_edit.without(before, gone), values, dict.fromkeys(values, BY))
    candidate = file.with_name(f".{file.name}.candidate.yaml")
    try:
        write_text(candidate, text)
        wanted = load(candidate, call.overrides)
        confine(wanted, call.roots)
        refuse_new_trackers(wanted, _own_trackers(before))
    except UserError as error:  # the line is one of a text that nobody has seen
        raise type(error)(error.message, error.rationale, error.remedy, Place(file), error.fix) from None
    finally:
        candidate.unlink(missing_ok=True)
    backup = backed_up(file, before)
    write_text(file, text)
    old = yaml_edit.values_at(before, [*values, *gone])
    changed = [Change(key=key, before=old[key], after=values.get(key), check=BY) for key in old]
    return FixReply(
        changes=changed,
        diff=_difference(before, text, file),
        backup=str(backup),
        cleaned=cleaned,
        next=after_fix(file, call.overrides),
    )


def _own_trackers(text: str) -> list[str]:
    """The trackers that the file names, also where it cannot be used as it is."""
    found = yaml_edit.values_at(text, ["run.trackers", "train.report_to", "train.trackio_space_id"]).values()
    return [str(one) for value in found if value for one in (value if isinstance(value, list) else [value])]


def _old_names(file: Path, values: Mapping[str, object]) -> Sequence[str]:
    """The keys of ``file`` that give one of ``values`` by an old name; none where it cannot be read as it is."""
    try:
        return [one.old for one in load(file).renamed if one.new in values]
    except ConfigError:
        return []


def _cleaned(call: Call, folder: str) -> FixReply:
    """Write a cleaned copy of the data, and name it in the configuration."""
    from sanetune.workflows.check import evidence_of
    from sanetune.workflows.clean import LOG, write

    settings, out = call.config(), call.roots.path(folder, "clean")
    weighted = [one.path for one in settings.data.train if one.weight != 1 or one.limit]
    if weighted:
        raise ConfigError(
            f"data.train uses {weighted[0]} in part or several times",
            "A cleaned copy is one file, in which weights and limits of sources are gone.",
            "Clean such sources by hand: sanetune check CONFIG --write-clean DIR.",
            settings.place("data.train"),
        )
    with evidence_of(settings, call.publish) as evidence:
        done = write(evidence, out)
    written = [split for split in ("train", "validation") if done.kept[split]]
    values: dict[str, object] = {f"data.{split}": _beside(out / f"{split}.jsonl", settings) for split in written}
    cleaned = Cleaned(
        folder=str(out),
        kept=dict(done.kept),
        left_out={name: count for name, count in done.left_out.items() if count},
        changed=dict(done.changed),
        log=str(out / LOG),
    )
    return _edited(call, values, ["data.fields"] if settings.data.fields else [], cleaned)


def _beside(file: Path, settings: Config) -> str:
    """A path as it is written in the configuration: relative where it is below its folder."""
    home = settings.folder.resolve()
    return str(file.relative_to(home)) if file.is_relative_to(home) else str(file)


def _corrected(call: Call) -> FixReply:
    """Apply what findings propose, and check again, round by round."""
    from sanetune.workflows.fix import correct

    settings, note = call.config(), ""
    select, ignore = call.texts("select"), call.texts("ignore")

    def on_round(settings: Config, evidence: Evidence, report: Report, before: Sequence[Round]) -> None:
        nonlocal note
        note = checking.keep(settings, evidence, report, partial=bool(select or ignore))

    done = correct(
        settings,
        call.overrides,
        level=call.text("level") or None,
        select=select,
        ignore=ignore,
        publish=call.publish,
        on_round=on_round,
    )
    found = checking.reply(call, settings, done.report, note)
    changes = [Change.model_validate(as_json(change.to_json())) for change in done.changes]
    return FixReply(**dict(found), changes=changes, diff=done.diff, backup=str(done.backup or ""))


def _difference(before: str, after: str, file: Path) -> str:
    return "\n".join(
        difflib.unified_diff(before.splitlines(), after.splitlines(), file.name, file.name, n=1, lineterm="")
    )
