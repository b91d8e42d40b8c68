"""`reasonlab pretrain`: weights that load, a whole curve after a resume, clear refusals."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from labs.cli import main


def test_a_short_run_leaves_weights_and_curve_and_is_resumed_for_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["pretrain", "tiny-student", "--steps", "12", "--out", str(tmp_path)]
    assert main(line) == 0
    assert "step    12" in capsys.readouterr().out
    for name in ("model.safetensors", "tokenizer.json", "training.json"):
        assert (tmp_path / "model" / name).is_file()
    (tmp_path / "curve.csv").unlink()
    assert main(line) == 0
    assert "step    12" not in capsys.readouterr().out
    with (tmp_path / "curve.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)][-1] == "12"
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("line", "said"),
    [(["tinny"], "Did you mean 'tiny'"), (["tiny", "--steps", "0"], "--steps must be 1 or more")],
)
def test_what_cannot_be_trained_is_one_line_and_exit_2(
    line: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pretrain", *line]) == 2
    captured = capsys.readouterr().err
    assert said in captured
    assert len(captured.splitlines()) == 1
