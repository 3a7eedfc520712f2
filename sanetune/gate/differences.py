"""Says why a clearance does not fit a run: what differs between fingerprints, and which checks are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic import JsonValue

from sanetune.config.messages import short
from sanetune.gate.catalogue import catalogue
from sanetune.gate.clearance import Clearance
from sanetune.gate.fingerprint import Fingerprint
from sanetune.gate.identity import Identity
from sanetune.text import shorten


def differences(old: Fingerprint, now: Fingerprint) -> list[str]:
    """Return what differs, in words; nothing where a clearance about ``old`` is one about ``now``."""
    found = list(_settings(old.configuration, now.configuration))
    found += data_differences(old.data, now.data)
    found += model_differences(old.model, now.model)
    found += ["the chat template has changed"] if old.template != now.template else []
    return [*found, *_versions(old.versions, now.versions)]


def data_differences(old: Mapping[str, Mapping[str, Identity]], now: Mapping[str, Mapping[str, Identity]]) -> list[str]:
    """Return in words what differs between the data files of each split; a file that only has another name does not."""
    found: list[str] = []
    for split in dict.fromkeys([*old, *now]):
        before, after = old.get(split, {}), now.get(split, {})
        if list(before.values()) != list(after.values()) or any(map(_is_unknown, after.values())):
            found += _files(before, after, "data" if split == "train" else f"{split} data")
    return found


def model_differences(old: Mapping[str, Identity], now: Mapping[str, Identity]) -> list[str]:
    """Return in words what differs between the files of two base models."""
    return _files(old, now, "the model's")


def _settings(old: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> Iterator[str]:
    for key in sorted({*old, *now}):
        before, after = (short(one[key]) if key in one else "unset" for one in (old, now))
        if (key in old) != (key in now) or old[key] != now[key]:
            yield f"{key} was {before}, is {after}"


def _files(old: Mapping[str, Identity], now: Mapping[str, Identity], noun: str) -> list[str]:
    """The files, by name, that are not what they were."""
    found = []
    for name in dict.fromkeys([*old, *now]):
        shown = f"{noun} {_cut(name)}"
        if name not in now or name not in old:
            found.append(f"{shown} is {'new' if name in now else 'gone'}")
        elif old[name] != now[name] or _is_unknown(now[name]):
            found.append(f"{shown} {_change(old[name], now[name])}")
    if not found and list(old) != list(now):
        return [f"the files of {noun} come in another order"] if noun.endswith("data") else []
    return found


def _is_unknown(values: Identity) -> bool:
    """Whether the Hub would not say which commit it has."""
    return "commit" in values and values["commit"] is None


def _change(old: Identity, now: Identity) -> str:
    for key in ("lines", "size"):
        before, after = old.get(key), now.get(key)
        if isinstance(before, int) and isinstance(after, int) and before != after:
            return f"has changed: {before:,} {'bytes' if key == 'size' else key} -> {after:,}"
    if _is_unknown(now):
        return "may have changed: the Hub does not say its commit (a pinned revision does)"
    key = "commit" if "commit" in now else "hash"
    return f"has changed: {key} {_cut(old.get(key), 8)} -> {_cut(now.get(key), 8)}"


def _cut(value: object, longest: int = 100) -> str:
    return shorten(str(value), longest + 1)


def _versions(old: Mapping[str, str | None], now: Mapping[str, str | None]) -> Iterator[str]:
    for package in dict.fromkeys([*old, *now]):
        before, after = old.get(package), now.get(package)
        if before != after:
            yield f"{package} {before or 'not installed'} -> {after or 'not installed'}"


def missing_checks(found: Clearance, names: Iterable[str]) -> list[str]:
    """Return what ``found`` lacks of the checks ``names``, in words: those that did not run or have changed since."""
    versions = {outcome.check: outcome.version for outcome in found.findings}
    checks = catalogue()
    reasons = []
    for name in names:
        if name not in versions:
            reasons.append(f"{name} was not among its checks")
        elif versions[name] != checks[name].version:
            reasons.append(f"{name} has changed: version {versions[name]} -> {checks[name].version}")
    return reasons
