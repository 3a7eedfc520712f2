"""A copy of weights outside of the training device."""

from __future__ import annotations

import tempfile

from torch import Tensor


class WeightBackup:
    """A copy of weights in main memory, or in files if it would take more than half of the free memory."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        import psutil

        size = sum(weight.numel() * weight.element_size() for weight in weights.values())
        self._folder = tempfile.TemporaryDirectory() if size > psutil.virtual_memory().available / 2 else None
        if self._folder is None:
            self._copies = {name: weight.detach().to("cpu", copy=True) for name, weight in weights.items()}
            return
        from safetensors.torch import save_file

        self._files = {name: f"{self._folder.name}/{number}.safetensors" for number, name in enumerate(weights)}
        for name, weight in weights.items():  # one by one, since all of them do not fit into memory
            save_file({"weight": weight.detach().cpu().contiguous()}, self._files[name])

    def __getitem__(self, name: str) -> Tensor:
        """The original value of the weight ``name``, in main memory."""
        if self._folder is None:
            return self._copies[name]
        from safetensors.torch import load_file

        found: Tensor = load_file(self._files[name])["weight"]
        return found

    def put_back(self, weights: dict[str, Tensor]) -> None:
        """Restore the values of ``weights``, and remove their gradients."""
        for name, weight in weights.items():
            weight.copy_(self[name])
            weight.grad = None
