"""The trainer's own evaluation computes its loss while dropout is on.

## What it does
Lets a trainer that you have built evaluate eight validation rows, with your own `evaluate`, `evaluation_loop`,
`prediction_step` and `compute_loss`; then again, from the same random state, with every dropout of the model set to 0.
The two are the same where dropout is off. Weights of an adapter that begin as 0 have other values meanwhile, since
dropout before them changes nothing: the losses are not quite those of the model as it is. It fails where that loss
chooses which weights are kept (`load_best_model_at_end=True`), and warns otherwise.

It is skipped where two evaluations without dropout differ too, and where the evaluation writes a file or reaches
another machine.

## Why is this bad?
The validation loss is too high and differs each time; best checkpoint and early stopping go by its noise.

## Example
An evaluation that computes the loss in the mode in which training has left the model:

```python
class Mine(Trainer):
    def evaluate(self, *args, **keywords):
        losses = []
        with torch.no_grad():
            for batch in self.get_eval_dataloader():
                losses.append(self.compute_loss(self.model, batch))
        return {"eval_loss": float(torch.stack(losses).mean())}
```

## Use instead
Call the model's `eval()` before the loss is computed, and its `train()` after it, as `Trainer.evaluation_loop` does.

```python
self.model.eval()
```

## Known problems
Callbacks are not called: an evaluation inside of one is not seen. Dropout that a module calls with a number in its code
(`functional.dropout(x, 0.1)`) cannot be set to 0, and is told as a difference without dropout.

## References
- [PyTorch: Evaluation mode](https://docs.pytorch.org/docs/stable/notes/autograd.html#evaluation-mode-nn-module-eval):
  what `model.eval()` changes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.results import OwnEvaluation

FIX = "none"
DEPENDS_ON = ("rows", "batches")

LIMITS = {
    "apart": Limit(1e-6, "relative difference of two losses; the same passes give the same numbers, to rounding"),
}


def measure(own_evaluation: OwnEvaluation | None, limits: Limits) -> Measurement:
    if own_evaluation is None:
        raise NotApplicableError("validation is not the user's own code")
    found = own_evaluation
    scale = max(abs(found.undropped), 1e-6)
    noise = abs(found.again - found.undropped) / scale
    if noise > limits["apart"]:
        raise NotApplicableError(
            f"two evaluations of the same {units.many(found.rows, 'row')} without dropout give"
            f" {found.undropped:.4f} and {found.again:.4f}"
        )
    numbers = {
        "rows": found.rows,
        "loss": found.loss,
        "without_dropout": found.undropped,
        "difference": abs(found.loss - found.undropped) / scale,
        "decides": found.decides,
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    rows = units.many(n["rows"], "validation row")
    if n["difference"] <= limits["apart"]:
        return passed(f"Its evaluation of {rows} gives the loss {n['loss']:.4f}, with dropout set to 0 too")
    message = (
        f"Its evaluation of {rows} gives the loss {n['loss']:.4f}, and {n['without_dropout']:.4f} with dropout set to"
        " 0: dropout is on while it evaluates"
    )
    return failed(message) if n["decides"] else warned(message)
