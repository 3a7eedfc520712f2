"""Python code from the model's repository would run on this machine.

## What it does
Checks whether `trust_remote_code` is set, and whether the revision is a commit (40 hexadecimal digits), so that the
code that runs is the code that was read.

## Why is this bad?
With `trust_remote_code`, a model's repository runs any program with your rights, next to your data, keys and tokens.

Without a pinned commit, the code can change after you have read it. CVE-2026-58116 is a tool that always set the
flag.

## Example
```yaml
model:
  name: someone/new-architecture
  trust_remote_code: true
  revision: 0123456789abcdef0123456789abcdef01234567
```

## Use instead
Remove `trust_remote_code` if the model loads without it. Otherwise read the code and pin `model.revision` to that
commit.

```yaml
model:
  name: someone/known-architecture
```
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from sanetune.checks.base import Limits
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings

FIX = "none"

COMMIT = re.compile(r"[0-9a-f]{40}")


def measure(run_settings: RunSettings) -> Measurement:
    """Read the flag and the revision; ``local``: the model is a folder here, which the Hub cannot change."""
    model = run_settings.model
    return Measurement(
        {
            "trust_remote_code": model.trust_remote_code,
            "model": model.name,
            "revision": model.revision,
            "pinned": bool(model.revision and COMMIT.fullmatch(model.revision.lower())),
            "local": os.path.isdir(model.name),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Fail for code that may change; warn for code that stays as it is, which has to be read once."""
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
