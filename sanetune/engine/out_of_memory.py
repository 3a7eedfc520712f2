"""Which errors say that the memory of a device or of the machine did not suffice."""

from __future__ import annotations

WORDS = (
    "out of memory",
    "out_of_memory",  # the CUDA driver
    "can't allocate memory",  # torch on a processor
    "status_alloc_failed",  # cuBLAS and cuDNN
    "out_of_device_memory",  # Intel's XPU
    "out_of_host_memory",
)
"""What libraries say in a plain RuntimeError, in small letters: torch has an error of its own for its caching allocator
alone."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` says so; torch is not imported for it.

    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
    True
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in WORDS)
