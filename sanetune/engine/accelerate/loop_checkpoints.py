"""A loop's checkpoints: all that a resumed run needs to repeat the unbroken one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file
from transformers import PreTrainedModel, TrainerState
from transformers.trainer_callback import ExportableState

from sanetune.engine import checkpoints, sharding
from sanetune.engine.state.processes import read_process_state, write_process_state
from sanetune.engine.state.random_states import set_random_states
from sanetune.engine.state.training import Stateful, load_state, save_state
from sanetune.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from sanetune.engine.accelerate.loop import Loop

ROWS = "rows at once"
"""Key beside the names of losses."""


def begin_state(loop: Loop) -> None:
    """Give the loop its steps and intervals, and all that its checkpoint has of a run that was stopped."""
    if loop.start is not None:
        loop.load_weights(loop.start)
        loop.state = TrainerState.load_from_json(str(loop.start / checkpoints.STATE))
        _restore(loop, loop.start)
    loop.state.compute_steps(loop.args, loop.max_steps)
    loop.state.max_steps = loop.max_steps
    loop.state.num_train_epochs = -(-loop.max_steps // loop.per_epoch)
    loop.state.train_batch_size = loop.args.train_batch_size
    loop.state.is_local_process_zero = loop.accelerator.is_local_main_process
    loop.state.is_world_process_zero = loop.is_world_process_zero()


def _restore(loop: Loop, start: Path) -> None:
    load_state(start, _stateful(loop))
    stored = loop.state.stateful_callbacks
    for callback in _exportable(loop):
        if isinstance(state := stored.get(type(callback).__name__), dict):
            for name in callback.state()["attributes"].keys() & state["attributes"].keys():
                setattr(callback, name, state["attributes"][name])
    if own := stored.get("sanetune"):
        loop.run_state.restore(own["attributes"])
        if loop.run_state.choices:
            loop.module.token_loss.choose(loop.run_state.choices)
    if loop.state.best_global_step:
        best = loop.folder / f"checkpoint-{loop.state.best_global_step}"
        loop.state.best_model_checkpoint = str(best) if best.is_dir() else None
    loop.last_logged = loop.state.global_step
    process = read_process_state(start, loop.accelerator.process_index)
    if process is not None and loop.run_state.last_logged is not None:
        loop.last_logged = loop.run_state.last_logged
        loop.open_loss.copy_(process.loss_since_record)
        more = dict(process.more)
        loop.rows_at_once = more.pop(ROWS, None)
        loop.losses = {name: value.to(loop.accelerator.device) for name, value in more.items()}


def _more(loop: Loop) -> dict[str, Any]:
    """The sums of each loss, and the rows at once where they were narrowed."""
    return loop.losses | ({} if loop.rows_at_once is None else {ROWS: loop.rows_at_once})


def restore_random_states(loop: Loop) -> None:
    """Give this process the random states of the checkpoint."""
    assert loop.start is not None
    process = read_process_state(loop.start, loop.accelerator.process_index)
    if process is not None:
        set_random_states(process.random, loop.processes)


def save_checkpoint(loop: Loop) -> None:
    """Write a checkpoint of the step that was just made, whole or not at all, and delete the oldest."""
    loop.tokens_seen()
    final, main = loop.folder / f"checkpoint-{loop.state.global_step}", loop.is_world_process_zero()
    best = loop.folder / f"checkpoint-{loop.state.best_global_step}" if loop.state.best_global_step else None
    with loop.off_the_clock():
        with checkpoints.replacing(final, main=main, barrier=loop.accelerator.wait_for_everyone) as partial:
            if not loop.args.save_only_model:
                write_process_state(
                    partial, loop.accelerator.process_index, loop.processes, loop.open_loss, _more(loop)
                )
            if best is not None and (best == final or best.is_dir()):
                loop.state.best_model_checkpoint = str(best)
            weights = sharding.whole_weights(loop.model, main=main) if loop.sharded else None
            if loop.sharded and not loop.args.save_only_model:
                save_state(partial, _stateful(loop), write=main)
            if main:
                _write(loop, partial, weights)
        if main:
            checkpoints.rotate(loop.folder, loop.args.save_total_limit, best)


def _write(loop: Loop, folder: Path, weights: dict[str, Tensor] | None) -> None:
    write_weights(loop.model, folder, weights)
    loop.parts.tokenizer.save_pretrained(folder)
    if not loop.sharded and not loop.args.save_only_model:
        save_state(folder, _stateful(loop))
    states = loop.state.stateful_callbacks
    for callback in _exportable(loop):
        states[type(callback).__name__] = callback.state()
    loop.run_state.choices = loop.module.token_loss.choices()
    states["sanetune"] = {"args": {}, "attributes": loop.run_state.to_json(loop.last_logged)}
    loop.state.save_to_json(str(folder / checkpoints.STATE))


def write_weights(model: PreTrainedModel, folder: Path, weights: dict[str, Tensor] | None) -> None:
    """Write the weights of ``model``, or of its adapter, into ``folder``; ``weights``: whole, where it is sharded."""
    model.save_pretrained(folder, safe_serialization=True, **({"state_dict": weights} if weights else {}))


def load_weights(model: PreTrainedModel, checkpoint: Path) -> None:
    """Give ``model`` the weights of ``checkpoint``, or its adapter those of the adapter there.

    Raises:
        ModelError: They are not the weights of this model.
    """
    from peft import PeftModel

    if isinstance(model, PeftModel):
        model.load_adapter(str(checkpoint), model.active_adapters[0], is_trainable=True)
        return
    weights = {
        name: value for file in sorted(checkpoint.glob("model*.safetensors")) for name, value in load_file(file).items()
    }
    result = model.load_state_dict(weights, strict=False)
    tied = set(model.all_tied_weights_keys or {})
    if missing := [name for name in result.missing_keys if name not in tied] + result.unexpected_keys:
        raise ModelError(
            f"The weights of {checkpoint.name} are not this model's: {len(missing)} names differ, e.g. {missing[0]}.",
            "The run would go on from other weights than it had.",
            "Go on with the model that the run began with.",
        )


def load_best(loop: Loop) -> None:
    """Load the weights with the lowest validation loss, where that is asked for."""
    best = loop.state.best_model_checkpoint
    if not loop.args.load_best_model_at_end or best is None:
        return
    loop.load_weights(Path(best))
    if loop.is_world_process_zero() and loop.args.save_total_limit == 1:
        for path in checkpoints.complete(loop.folder):
            if path.name != Path(best).name:
                shutil.rmtree(path, ignore_errors=True)


def _stateful(loop: Loop) -> dict[str, Stateful | None]:
    optimizer = sharding.WholeOptimizer(loop.model, loop.optimizer) if loop.sharded else loop.optimizer
    return {"optimizer": optimizer, "scheduler": loop.schedule, "scaler": loop.accelerator.scaler}


def _exportable(loop: Loop) -> list[ExportableState]:
    return [callback for callback in loop.handler.callbacks if isinstance(callback, ExportableState)]
