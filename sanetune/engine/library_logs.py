"""Holding back what the libraries print, where it would tear the progress bar and says nothing that is not said better
here."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """transformers' and datasets' progress bars, load reports and hints, and deprecations inside the libraries, stay
    silent within."""
    import datasets
    from transformers.utils import logging

    maps = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            # That it saves a grown embedding with the adapter, at every checkpoint.
            warnings.filterwarnings("ignore", category=UserWarning, module=r"peft\.utils\.save_and_load")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        if not maps:
            datasets.enable_progress_bars()
