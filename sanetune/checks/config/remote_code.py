"""Python code from the model's repository would run on this machine.

Measures: whether trust_remote_code is on, and whether the revision is a commit (40 hexadecimal digits), so that what
runs tomorrow is what was read today.

Matters: a model's repository may hold any program. With trust_remote_code it runs with your rights, next to your data,
keys and tokens; without a pinned commit it can change after you have read it (CVE-2026-58116: a tool had it on always).

Cause: a model that transformers does not know by itself, or the key copied from an example.

Fix: leave trust_remote_code out where the model loads without it; otherwise read the code and give model.revision the
commit that you have read.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from sanetune.checks.base import Limits
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings

COMMIT = re.compile(r"[0-9a-f]{40}")


def measure(settings: RunSettings) -> Measurement:
    """``local``: the model is a folder here, which nobody else can change through the Hub."""
    return Measurement(
        {
            "trust_remote_code": settings.trust_remote_code,
            "model": settings.model,
            "revision": settings.revision,
            "pinned": bool(settings.revision and COMMIT.fullmatch(settings.revision.lower())),
            "local": os.path.isdir(settings.model),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Code that may change unseen: fail. Code that stays as it is: a warning to have read it."""
    n = m.numbers
    if not n["trust_remote_code"]:
        return passed(f"No code of {n['model']} runs: trust_remote_code is off.")
    if n["local"]:
        return warned(
            f"Python files in {n['model']} run: trust_remote_code is on.",
            "Read them, or leave trust_remote_code out.",
        )
    if n["pinned"]:
        return warned(
            f"Code of {n['model']} runs: trust_remote_code is on, pinned to commit {n['revision'][:12]}.",
            "Read the code at this commit, or leave trust_remote_code out.",
        )
    at = f"revision {n['revision']}, which can move" if n["revision"] else "no revision"
    return failed(f"Whatever is pushed to {n['model']} will run: trust_remote_code is on, with {at}.")
