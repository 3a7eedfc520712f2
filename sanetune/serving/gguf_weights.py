"""The tensors of a GGUF file as the trained model names them, and a copy of the file in full precision.

llama.cpp's converter renames tensors, and for models of the Llama family it also interleaves the two halves of each
head in the query and key matrices, because it rotates neighbouring pairs where transformers rotates halves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.data.model_files import read_config, weight_files
from sanetune.serving.gguf_file import GgufFile, Stored

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SAME_FORM = ("qwen2", "qwen3")
"""Architectures whose tensors the converter stores as they are."""
INTERLEAVED = "llama"
"""The architecture whose query and key matrices it interleaves. Mistral's is this one, too."""


COMPUTED = ".rotary_emb.inv_freq"
"""What older folders hold though it follows from config.json; no file has it."""
OF_POSITIONS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
"""What files hold though no trained model does: it follows from config.json."""


class UnknownFormError(Exception):
    """It is not known how llama.cpp stores the tensors of this architecture; the text says which."""


def trained_tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a transformers folder by name, one in memory at a time."""
    from safetensors import safe_open

    for file in weight_files(folder):
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 -- not a mapping
                if not name.endswith(COMPUTED):
                    yield name, opened.get_tensor(name)


def names_in_file(folder: Path, architecture: str) -> NameMap:
    """Return how llama.cpp names the tensors of the model in ``folder``."""
    return NameMap(architecture, int(read_config(folder).get("num_hidden_layers") or 0))


class NameMap:
    """Names of a trained model's tensors -> those of a GGUF file.

    Args:
        architecture: As llama.cpp calls it.
        layers: Number of layers.

    Raises:
        UnknownFormError: For an architecture whose form in a file is not known.
    """

    def __init__(self, architecture: str, layers: int) -> None:
        import gguf

        found = next((key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture), None)
        if found is None or architecture not in (*SAME_FORM, INTERLEAVED):
            known = ", ".join((INTERLEAVED, *SAME_FORM))
            raise UnknownFormError(
                f"how llama.cpp's converter stores the tensors of {architecture!r} is not known here; of {known} it is"
            )
        self._map = gguf.get_tensor_name_map(found, layers)
        self.architecture = architecture

    def __getitem__(self, name: str) -> str:
        """The name in the file; "" where there is none."""
        return self._map.get_name(name, try_suffixes=(".weight", ".bias")) or ""


def as_stored(name: str, tensor: Tensor, architecture: str, heads: int, key_heads: int) -> Tensor:
    """Return a trained tensor in the form in which the file has it.

    Args:
        name: Its name in the trained model.
        tensor: Its values; weights (output features, input features), or a bias.
        architecture: As llama.cpp calls it.
        heads: Number of query heads.
        key_heads: Number of key heads.
    """
    if architecture != INTERLEAVED or not name.rpartition(".")[0].endswith(("q_proj", "k_proj")):
        return tensor
    count = heads if ".q_proj." in name else key_heads
    halves = tensor.reshape(count, 2, tensor.shape[0] // count // 2, *tensor.shape[1:])
    return halves.transpose(1, 2).reshape(tensor.shape)


def heads_of(folder: Path) -> tuple[int, int]:
    """Return the numbers of query heads and key heads of the model in ``folder``."""
    config = read_config(folder)
    heads = int(config.get("num_attention_heads") or 1)
    return heads, int(config.get("num_key_value_heads") or heads)


def write_float_copy(file: GgufFile, to: Path) -> None:
    """Write ``file`` once more with every tensor as 32-bit numbers of the same values.

    Args:
        file: The file.
        to: Where the copy goes.

    Raises:
        NotImplementedError: gguf cannot read one of its types.
    """
    import numpy as np
    from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter

    writer = GGUFWriter(to, file.architecture, use_temp_file=False)
    for key, field in file.reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        value = 0 if key == "general.file_type" else field.contents()
        is_list = field.types[0] == GGUFValueType.ARRAY
        writer.add_key_value(key, value, field.types[0], sub_type=field.types[-1] if is_list else None)
    everything = list(file.tensors)
    for one in everything:
        writer.add_tensor_info(one.name, one.shape, np.dtype(np.float32), 4 * one.tensor.n_elements,
                               GGMLQuantizationType.F32)  # fmt: skip
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for one in everything:
        writer.write_tensor_data(np.ascontiguousarray(one.values()))
    writer.close()


def values_of(stored: Stored) -> np.ndarray | str:  # type: ignore[type-arg]
    """Return the numbers of a tensor; or, as text, why they cannot be read."""
    try:
        return stored.values()
    except NotImplementedError:
        return f"gguf cannot read {stored.type}"
    except (ValueError, TypeError) as error:
        return f"its data do not fit its shape: {str(error)[:100]}"
