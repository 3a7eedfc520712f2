"""The server does not end answers where the model was trained to end them.

## What it does
Gives the server a prompt and a whole answer as token ids, and asks for one token more: where the trained model's
likeliest token is one that ends its answers, the server has to end it. Answers that the trained model itself writes are
used, and the rows' own where it does not finish in 96 tokens.

A server that takes no ids has to answer by itself, with room for twice the tokens that the trained model needs.

## Why is this bad?
Answers run on to the token limit, with text of a next turn that the user sees and pays for.

## Example
The template ends turns with `<|im_end|>`, and the file names another end:

```json
{"tokenizer.ggml.eos_token_id": 0}
```

## Use instead
Tell the server the token that ends answers: eos_token_id in the file or in generation_config.json.

For vLLM it is `eos_token_id` in `generation_config.json` of the folder that is served; for a GGUF file
`tokenizer.ggml.eos_token_id`; for Ollama `PARAMETER stop` in the Modelfile.

```json
{"eos_token_id": [2, 0]}
```

## Known problems
Weights that are rounded coarsely may put another token first at the end of an answer. That is said apart: the server is
then asked what its likeliest token was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed, warned
from sanetune.text import quote

if TYPE_CHECKING:
    from sanetune.probes.results.served import EndTrial

FIX = "none"

LIMITS = {
    "moved": Limit(
        0.25, "of the answers may end elsewhere because rounded weights prefer another token; SmolLM2 in Q4_1: 0 of 12"
    ),
}


def measure(served_ends: list[EndTrial]) -> Measurement:
    """Counts answers that go on, apart by whether the server's likeliest token was the one that ends them."""
    trials = served_ends
    if not trials:
        raise NotApplicableError("no answer of the trained model ends within the tokens that were asked for")
    ignored = [one for one in trials if not one.ended and one.likeliest is not False]
    moved = [one for one in trials if not one.ended and one.likeliest is False]
    numbers = {
        "answers": len(trials),
        "ignored": len(ignored),
        "moved": len(moved),
        "stop": trials[0].stop,
        "asked": "ids" if trials[0].likeliest is not None else "answers",
    }
    witnesses = [Witness(one.prompt, one.place, f"goes on with {quote(one.text, 60)}") for one in [*ignored, *moved]]
    return Measurement(numbers, witnesses[:MOST_WITNESSES])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["asked"] == "answers" and 0 < n["ignored"] <= limits["moved"] * n["answers"]:
        return warned(
            f"{n['ignored']:,} of {n['answers']:,} answers run to the token limit on the server, and the others end as"
            f" trained ({n['stop']}): it takes no token ids, so that these may only be other answers"
        )
    if n["ignored"]:
        how = "its likeliest token is the end, and it goes on" if n["asked"] == "ids" else "they run to the token limit"
        return failed(
            f"{n['ignored']:,} of {n['answers']:,} answers do not end on the server where they end as trained"
            f" ({n['stop']}): {how}"
        )
    if n["moved"]:
        message = (
            f"{n['moved']:,} of {n['answers']:,} answers go on where they end as trained ({n['stop']}): another token"
            " is likeliest on the server"
        )
        remedy = "See serve-prompt-differs and serve-answers-differ: the server's numbers differ there, not its stop."
        return failed(message, remedy) if n["moved"] > limits["moved"] * n["answers"] else warned(message, remedy)
    return passed(f"all {n['answers']:,} answers end on the server where they end as trained ({n['stop']})")
