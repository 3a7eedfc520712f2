"""Holding back what the libraries print, where it would tear the progress bar and says nothing that is not said better
here."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """transformers' and datasets' progress bars, load reports and hints, and deprecations inside the libraries, stay
    silent within."""
    from transformers.utils import logging

    # Where nothing has imported it yet, nothing in here does: it takes a second.
    datasets = sys.modules.get("datasets")
    maps = datasets is None or datasets.are_progress_bars_disabled()
    if datasets is not None:
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
        if datasets is not None and not maps:
            datasets.enable_progress_bars()
