"""Examples begin with two beginning-of-sequence tokens.

Measures: documents in the trainer's own batches whose first two tokens are both the tokenizer's beginning token.

Matters: the model was never trained with two, and inference gives it one: what it learns holds for a beginning that
it will not see again.

Cause: the template (or the text of the row) already writes the token, and the tokenizer adds it again.

Fix: leave the token out of the template or of the texts, or turn off the tokenizer's own (`add_bos_token: false` in
tokenizer_config.json).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.batch_stats import BatchStats

LIMITS = {
    "share": Limit(0.01, "a template or tokenizer doubles the token in every row; a stray row or two is a data fault"),
}


def measure(reading: BatchStats, tokenizer: Any) -> Measurement:
    if tokenizer.bos_token_id is None:
        raise NotApplicableError("the tokenizer has no beginning-of-sequence token")
    numbers = {
        "documents": reading.total("documents"),
        "double_bos": reading.total("double_bos"),
        "token": str(tokenizer.bos_token),
    }
    return Measurement(numbers, reading.seen("double_bos"))


def judge(m: Measurement, limits: Limits) -> Judgement:
    documents, double, token = m.numbers["documents"], m.numbers["double_bos"], m.numbers["token"]
    if not double:
        return passed(f"{documents:,} documents: none begins with two {token}.")
    share = double / max(documents, 1)
    what = f"{double:,} of {documents:,} documents ({units.share(share)}) begin with two {token}."
    return failed(what) if share > limits["share"] else warned(what)
