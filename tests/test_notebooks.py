"""The notebooks of ``examples/`` run from top to bottom, on any machine, on the model that is part of the package."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((HOME / "examples/notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="pip install 'sanetune[dev]'")
    nbclient = pytest.importorskip("nbclient", reason="pip install 'sanetune[dev]'")
    pytest.importorskip("ipykernel", reason="pip install 'sanetune[dev]'")
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(HOME), os.environ.get("PYTHONPATH")))))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(file, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()  # raises at the first cell that does
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
