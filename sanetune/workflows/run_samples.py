"""Answers to the same few prompts at each evaluation of a run: ``samples.jsonl``, and a text for the trackers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sanetune.atomic import write_text
from sanetune.engine.appending import json_objects
from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.engine.watcher import TrackerText
from sanetune.errors import UserError
from sanetune.events import Note, Publish

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.data.conversation import Message
    from sanetune.data.prepare import Prepared
    from sanetune.engine.answer import Answer
    from sanetune.runs import Run

TOKENS = 96
"""Most tokens of an answer: enough to see its form, and bounded."""
FREE, SHARE = 5.0, 0.01
"""Seconds that all answers may take in any run, and their share of a longer run's time. Beyond it they are left out,
but for those at the end."""


class RunSamples:
    """Asks the model that is trained, a few times in a run.

    Args:
        prepared: The rows of the run.
        run: Its folder.
        own: Prompts of the user's own.
        count: Prompts in all; the others are validation rows.
        publish: Gets a note where answers are left out.
        model: Gives the model as it is now; None where no process has all of it.
    """

    def __init__(
        self,
        prepared: Prepared,
        run: Run,
        own: list[str],
        count: int,
        publish: Publish,
        model: Callable[[], PreTrainedModel | None],
    ) -> None:
        from sanetune.probes.prompts import prompts_for

        self._prepared, self._run, self._publish, self._model = prepared, run, publish, model
        self._prompts = prompts_for(prepared, own[:count], max(0, count - len(own)))
        self._began, self._spent = time.monotonic(), 0.0
        self._left_out = not self._prompts.messages

    def begin(self, step: int) -> None:
        """Drop the answers after optimizer step ``step``: a resumed run gives them again."""
        path = self._run.samples_over_time
        if not path.is_file():
            return
        made = json_objects(path) if step else []
        kept = [one for one in made if isinstance(one.get("step"), int) and one["step"] <= step]
        write_text(path, "".join(map(_line, kept)))

    def ask(self, step: int, *, last: bool) -> TrackerText | None:
        """Ask the model after optimizer step ``step``; None where that is left out."""
        left = max(FREE, SHARE * (time.monotonic() - self._began)) - self._spent
        model = self._model()
        if not self._prompts.messages or model is None or not (left >= 0 or last):
            self._note_once("the model is sharded over processes" if model is None else "they take too long")
            return None
        began = time.monotonic()
        try:
            answers = self._answers(model, None if last else left)
        except UserError as error:
            self._note_once(error.message)
            return None
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._note_once("the memory does not suffice")
            return None
        seconds = time.monotonic() - began
        self._spent += seconds
        if seconds > left and not last:
            self._note_once("they take too long")
        samples = [
            {
                "prompt": _shown(messages),
                "asked": str(messages[-1]["content"]),
                "earlier": len(messages) - 1,
                "answer": answer.text,
                "ended": answer.ended,
                "tokens": answer.tokens,
            }
            for messages, answer in zip(self._prompts.messages, answers, strict=True)
            if not answer.note
        ]
        with self._run.samples_over_time.open("a", encoding="utf-8") as file:
            file.write(_line({"step": step, "samples": samples, "seconds": round(seconds, 3)}))
        text = "\n\n".join(f"**{one['prompt']}**\n\n{one['answer']}" for one in samples)
        return TrackerText("samples", step, text)

    def _answers(self, model: PreTrainedModel, seconds: float | None) -> list[Answer]:
        from sanetune.probes.prompts import answers, max_new_tokens

        tokens = min(TOKENS, max_new_tokens(self._prepared, self._prompts))
        return answers(model, self._prepared, self._prompts, tokens, seconds)

    def _note_once(self, reason: str) -> None:
        if not self._left_out:
            self._left_out = True
            self._publish(Note(f"answers at evaluations are left out from here on: {reason} (run.samples)"))


def _line(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def _shown(messages: list[Message]) -> str:
    """A prompt as text: what the user says, or all turns where there are several."""
    if len(messages) == 1:
        return str(messages[0]["content"])
    return "\n".join(f"{message['role']}: {message['content']}" for message in messages)
