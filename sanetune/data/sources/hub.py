"""Stream the rows of a data set on the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator

from sanetune.data.sources.row import Row
from sanetune.data.sources.source import Source
from sanetune.data.sources.tables import pruned
from sanetune.errors import DataError, Place
from sanetune.text import quote

LOCAL = "To use a local file instead, give its path: data.train: my-rows.jsonl"
PATIENCE = 10.0
"""Seconds to wait for the Hub's first answer."""


def read_hub(source: Source) -> Iterator[Row]:
    """Yield the rows of ``source.path`` (split ``train`` unless named), as the Hub serves them.

    Raises:
        DataError: The Hub cannot be reached, or gives no rows.
    """
    place = f"hf://datasets/{source.path}"
    import datasets

    _reach(source)
    try:
        rows = datasets.load_dataset(
            source.path, source.subset, split=source.split or "train", revision=source.revision, streaming=True
        )
        for row, values in enumerate(rows):
            yield Row(Place(place, None, row), pruned(dict(values)))
    except Exception as error:  # noqa: BLE001  as in _reach
        raise _refused(source, error) from None


def _reach(source: Source) -> None:
    """Asks once whether the data set is there: datasets itself tries for half a minute before it says anything."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    try:
        huggingface_hub.HfApi().dataset_info(source.path, revision=source.revision, timeout=PATIENCE)
    except HfHubHTTPError as error:
        raise _refused(source, error) from None
    except Exception as error:  # noqa: BLE001  the HTTP library's errors share no base with Python's, and it has changed before
        raise DataError(
            f"the Hugging Face Hub could not be reached ({quote(f'{type(error).__name__}: {error}', 120)})",
            f"{quote(source.path)} is no file or folder here, so it was looked up as a data set on the Hub.",
            f"Check the network and HF_HUB_OFFLINE. {LOCAL}",
            Place(source.path),
        ) from None


def _refused(source: Source, error: Exception) -> DataError:
    words = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return DataError(
        f"the Hub gave no rows: {quote(words, 200)}",
        "",
        f"Check the id, and `subset`, `split` and `revision` if given. Private data wants `hf auth login`. {LOCAL}",
        Place(source.path),
    )
