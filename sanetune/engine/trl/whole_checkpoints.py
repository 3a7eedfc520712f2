"""Checkpoints of TRL's trainer that are whole, hold no pickle, and let a resumed run repeat the unbroken one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from torch import nn
from transformers.trainer_callback import ExportableState

from sanetune.engine import checkpoints, sharding, zero
from sanetune.engine.state.processes import read_process_state, write_process_state
from sanetune.engine.state.random_states import set_random_states
from sanetune.engine.state.training import Stateful, load_state, save_state
from sanetune.engine.together import Together


class WholeCheckpoints(Together, transformers.Trainer):
    """What a trainer writes and reads of its state. Each override says which behaviour of transformers 5.23 it
    corrects."""

    rows_at_once: int | None
    _metrics: dict[str, dict[str, list[float]]]
    _total_train_tokens: float
    _resumed_from: Path | None = None
    is_divided: bool

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        """The same files as transformers', but written beside and moved into place when they are all there; older ones
        are deleted only then. No pickled arguments, no model card per checkpoint."""
        self.store_flos()
        self.tokens_seen()
        folder = Path(self.args.output_dir)
        final = folder / f"checkpoint-{self.state.global_step}"
        best = folder / f"checkpoint-{self.state.best_global_step}" if self.state.best_global_step else None
        main = bool(self.args.should_save)
        with self.off_the_clock():
            with checkpoints.replacing(final, main=main, barrier=self.accelerator.wait_for_everyone) as partial:
                self.save_model(str(partial), _internal_call=True)
                if not self.args.save_only_model:
                    self._save_optimizer_and_scheduler(str(partial))
                    self._save_scaler(str(partial))
                    self._save_rng_state(str(partial))
                if best is not None and (best == final or best.is_dir()):
                    self.state.best_model_checkpoint = str(best)
                if main:
                    (partial / "training_args.bin").unlink(missing_ok=True)
                    self._save_trainer_state(partial)
            if main:
                checkpoints.rotate(folder, self.args.save_total_limit, best)
        if self.args.push_to_hub:
            self._push_from_checkpoint(str(final))

    def _save_trainer_state(self, folder: Path) -> None:
        states = self.state.stateful_callbacks
        for callback in self._exportable():
            states[type(callback).__name__] = callback.state()
        own = self.run_state.to_json(self._globalstep_last_logged)
        states["sanetune"] = {"args": {}, "attributes": own}
        self.state.save_to_json(str(folder / checkpoints.STATE))

    def _init_training_state(self, *args: object, **kwargs: object) -> object:
        """Restore also what transformers leaves out: counters of callbacks (early stopping's patience), token counts,
        and the best checkpoint of a run folder that was moved."""
        epochs_and_steps = super()._init_training_state(*args, **kwargs)
        stored = self.state.stateful_callbacks
        for callback in self._exportable():
            state = stored.get(type(callback).__name__)
            if isinstance(state, dict) and callback is not self.control:
                for name in callback.state()["attributes"].keys() & state["attributes"].keys():
                    setattr(callback, name, state["attributes"][name])
        if own := stored.get("sanetune"):
            self.run_state.restore(own["attributes"])
        if self.state.best_global_step:
            self.state.best_global_step = int(self.state.best_global_step)
            best = Path(self.args.output_dir) / f"checkpoint-{self.state.best_global_step}"
            self.state.best_model_checkpoint = str(best) if best.is_dir() else None
        return epochs_and_steps

    def restore_open_loss(self) -> None:
        """Let the first record after a resumed stop be the mean of all steps since the record before, as in a run that
        was never stopped. transformers starts anew at the checkpoint."""
        if self._resumed_from is None or self.run_state.last_logged is None:
            return
        stored = read_process_state(self._resumed_from, self.args.process_index)
        if stored is not None:
            self._tr_loss.copy_(stored.loss_since_record)
            self._globalstep_last_logged = self.run_state.last_logged
            self._set_trl_metrics(stored.more.get("trl", {}))
            self.rows_at_once = stored.more.get("rows_at_once")

    def _set_trl_metrics(self, stored: dict[str, Any]) -> None:
        """Take over TRL's sums since the last record and its count of tokens, which it begins anew."""
        self._total_train_tokens = stored.get("tokens", self._total_train_tokens)
        for name, values in stored.get("metrics", {}).items():
            self._metrics["train"][name] = list(values)

    def _exportable(self) -> list[ExportableState]:
        return [c for c in [*self.callback_handler.callbacks, self.control] if isinstance(c, ExportableState)]

    # ---- state without pickles ----

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Write safetensors and JSON; transformers and DeepSpeed write pickles."""
        if self.is_divided or self.args.should_save:
            save_state(Path(output_dir), self._stateful(), write=bool(self.args.should_save))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            self._resumed_from = Path(checkpoint)
            load_state(Path(checkpoint), self._stateful())

    def _save_scaler(self, output_dir: str) -> None:
        """It is one of :meth:`_stateful`."""

    def _load_scaler(self, checkpoint: str | None) -> None:
        """It is one of :meth:`_stateful`."""

    def _save_rng_state(self, output_dir: str) -> None:
        """Write what each process has for itself."""
        trl = {"tokens": self._total_train_tokens, "metrics": dict(self._metrics["train"])}
        rank, processes = self.args.process_index, self.args.world_size
        more = {"trl": trl, "rows_at_once": self.rows_at_once}
        write_process_state(Path(output_dir), rank, processes, self._tr_loss, more)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        stored = read_process_state(Path(checkpoint), self.args.process_index)
        if stored is not None:
            set_random_states(stored.random, self.args.world_size)

    def _stateful(self) -> dict[str, Stateful | None]:
        scaler = getattr(self.accelerator, "scaler", None)
        optimizer: Stateful | None = self.optimizer
        if self.is_fsdp_enabled:
            optimizer = sharding.WholeOptimizer(self.model, self.optimizer)
        elif self.is_deepspeed_enabled:
            optimizer = zero.ZeroOptimizer(self.deepspeed, main=bool(self.args.should_save))
        return {"optimizer": optimizer, "scheduler": self.lr_scheduler, "scaler": scaler}
