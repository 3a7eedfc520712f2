"""The notebooks of ``examples/`` run from top to bottom, on any machine, on the model that is part of the package."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HOME = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((HOME / "examples/notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Any], None]]:
    """Runs a notebook with no name defined, in a folder of its own; all in one kernel, which imports torch once."""
    nbclient = pytest.importorskip("nbclient", reason="pip install 'sanetune[dev]'")
    pytest.importorskip("ipykernel", reason="pip install 'sanetune[dev]'")
    from nbformat import v4

    home = tmp_path_factory.mktemp("notebooks")
    client = nbclient.NotebookClient(v4.new_notebook(), timeout=600, kernel_name="python3")

    def run(notebook: Any) -> None:
        folder = tmp_path_factory.mktemp("notebook")
        client.nb = v4.new_notebook(cells=[v4.new_code_cell(f"%reset -f\n%cd -q {folder}"), *notebook.cells])
        client.reset_execution_trackers()
        for number, cell in enumerate(client.nb.cells):
            client.execute_cell(cell, number)  # raises where the cell does

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANETUNE_CACHE", str(home / "cache"))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(HOME), os.environ.get("PYTHONPATH")))))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.setenv("IPYTHONDIR", str(home / "ipython"))
        with client.setup_kernel():
            yield run


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs(file: Path, run: Callable[[Any], None]) -> None:
    nbformat = pytest.importorskip("nbformat", reason="pip install 'sanetune[dev]'")
    notebook = nbformat.read(file, as_version=4)
    run(notebook)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    if file.stem == "colab_t4":
        said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
        assert "No GPU: fp16 is left out" in said


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_stored_without_output(file: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="pip install 'sanetune[dev]'")
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    assert len(notebook.cells) > 5
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_there_is_one_for_each_purpose() -> None:
    assert {file.stem for file in NOTEBOOKS} == {"colab_t4", "own_trainer", "textbook"}
