"""The devices that torch sees, and the number formats that they compute in: each is tried, not looked up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from sanetune import units
from sanetune.workflows.doctor.examined import Examined

SIZE = 256
"""Rows and columns of the matrices that a number format is tried on."""
TURNS = 3
"""Times that a product is timed; the fastest counts."""
SLOW = 2.0
"""Times as long as float32 at which a format is called slow."""
FORMATS = ("float32", "bfloat16", "float16")


def devices() -> list[Examined]:
    """The processor, and each accelerator with its memory, or how to get torch to see one."""
    import psutil
    import torch

    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    words = f"{units.many(cores, 'core')}, {units.bytes_(memory.available)} of {units.bytes_(memory.total)} free"
    found = [Examined("devices", "cpu", "ok", words)]
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        free, total = torch.cuda.mem_get_info(number)
        words = (
            f"{about.name}, {units.bytes_(free)} of {units.bytes_(total)} free, capability {about.major}.{about.minor}"
        )
        found.append(Examined("devices", f"cuda:{number}", "ok", words))
    if torch.backends.mps.is_available():
        found.append(Examined("devices", "mps", "ok", "Apple's GPU"))
    if len(found) == 1:
        found.append(_no_accelerator())
    return found


def _no_accelerator() -> Examined:
    import torch

    if os.path.exists("/dev/nvidiactl") and torch.version.cuda is None:
        words = "there is an NVIDIA driver, but this torch was built for processors alone"
        return Examined("devices", "cuda", "note", words, "pip install --force-reinstall torch")
    if torch.version.cuda is not None and os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return Examined("devices", "cuda", "note", "CUDA_VISIBLE_DEVICES is empty and hides every GPU")
    return Examined("devices", "cuda", "note", "torch sees no GPU: small models train on the processor")


def precision() -> list[Examined]:
    """Each number format, tried forwards and backwards on the device that training would use."""
    from sanetune.config.machine import default_device

    device = default_device()
    seconds: dict[str, float] = {}
    found = []
    for name in FORMATS:
        try:
            seconds[name] = _seconds(name, device)
        except (RuntimeError, TypeError) as error:
            words = f"does not compute on {device}: {str(error).splitlines()[0]}"
            found.append(Examined("precision", name, "broken" if name == "float32" else "missing", words))
            continue
        ratio = seconds[name] / seconds["float32"] if "float32" in seconds else 1.0
        slow = ratio > SLOW
        words = f"computes on {device}" + (f", {ratio:.0f} times as slow as float32" if slow else "")
        found.append(Examined("precision", name, "note" if slow else "ok", words))
    return found


def _seconds(dtype: str, device: str) -> float:
    """Seconds of a product and its gradients.

    Raises:
        RuntimeError: The device does not compute in ``dtype``, or wrongly.
    """
    import torch

    kind = getattr(torch, dtype)
    one = torch.eye(SIZE, dtype=kind, device=device, requires_grad=True)
    other = torch.full((SIZE, SIZE), 0.5, dtype=kind, device=device)

    def multiply() -> None:
        one.grad = None
        (one @ other).sum().backward()

    multiply()
    if one.grad is None or not torch.allclose(one.grad.float(), torch.full_like(one.grad, SIZE / 2).float()):
        raise RuntimeError("its gradients are wrong")
    return min(_timed(multiply, device) for _ in range(TURNS))


def _timed(work: Callable[[], None], device: str) -> float:
    import torch

    began = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began
