"""The layers of a model as a picture: gradient over weight, and the signal-to-noise of each kind of matrix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.errors import RunError

if TYPE_CHECKING:
    from sanetune.probes.results.layers import LayerRanking


def draw(found: LayerRanking, folder: Path) -> list[Path]:
    """Draw the ranking into ``folder``, as PNG and SVG, and return both files.

    Raises:
        RunError: The folder cannot be written.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "sanetune", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 6), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        upper, lower = figure.subplots(2, 1, sharex=True)
        upper.bar([one.block for one in found.blocks], [one.ratio for one in found.blocks])
        upper.set(ylabel="gradient norm / weight norm", title="Layers, by the gradient of the data")
        for kind, some in found.by_kind().items():
            lower.plot([one.block for one in some], [one.snr for one in some], marker=".", label=kind)
        lower.set(xlabel="layer", ylabel="signal-to-noise / largest singular value", title="Weights above the noise")
        if found.matrices:
            lower.legend(fontsize=8, ncols=2)
        for axes in (upper, lower):
            axes.grid(alpha=0.25)
        files = [folder / "layers.png", folder / "layers.svg"]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
        except OSError as error:
            raise RunError(
                f"{str(folder)!r} cannot be written: {error.strerror or error}", "", "Give --plots another folder."
            ) from None
    return files
