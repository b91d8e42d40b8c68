"""Lab 01 in front of a server that tells only texts: sentences instead of a crash."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from labs.server.listen import Server

LAB = Path(__file__).resolve().parent.parent.parent / "labs" / "01_inference.ipynb"
LOADED = 'load_model(os.environ.get("REASONLAB_MODEL", "tiny"))'


@pytest.mark.notebook
def test_lab_01_says_what_a_server_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REASONLAB_FAST", "1")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    book = nbformat.read(LAB, as_version=4)
    setup = next(cell for cell in book.cells if LOADED in cell.source)
    with Server("tiny") as server:
        poor = f'load_model("openai:tiny@{server.url}", can="n")'
        setup.source = setup.source.replace(LOADED, poor)
        NotebookClient(
            book,
            timeout=120,
            kernel_name="python3",
            resources={"metadata": {"path": str(tmp_path)}},
        ).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    said = "".join(output.get("text", "") for output in outputs)
    for sentence in (
        "cuts the text into tokens at its server",
        "tells no log-probabilities",
        "does not tell its u",
        "does not continue a started answer",
        "no log-probabilities from here",
    ):
        assert sentence in said
