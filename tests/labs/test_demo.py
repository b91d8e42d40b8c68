"""The main job on the embedded model: every arm at every budget, files, three sentences."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from labs.cli import main
from labs.demo import ARMS, SAMPLES, STEPS, TASKS


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    assert main(["demo", "--problems", "4", "--out", str(folder)]) == 0
    return folder


def test_it_leaves_a_chart_tables_and_every_trace(done: Path) -> None:
    assert (done / "chart.png").read_bytes().startswith(b"\x89PNG")
    for task, setting in TASKS.items():
        with (done / f"{task}.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(ARMS) * len(setting.budgets)
        cells = (done / f"{task}.jsonl").read_text().splitlines()
        assert len(cells) == 1 + 4 * len(ARMS) * len(setting.budgets)
        assert all(json.loads(line)["state"] == "done" for line in cells[1:])


def test_no_arm_spends_more_than_its_budget(done: Path) -> None:
    for task in TASKS:
        for line in (done / f"{task}.jsonl").read_text().splitlines()[1:]:
            cell = json.loads(line)
            assert cell["completion"] + cell["scored"] + cell["lost"] <= int(cell["budget"])


def test_the_table_ends_in_three_sentences_about_the_measured_arms(done: Path) -> None:
    text = (done / "table.txt").read_text()
    sentences = text.rstrip("\n").splitlines()[-3:]
    assert all(s.endswith(".") for s in sentences)
    assert STEPS in sentences[1]
    assert SAMPLES in sentences[1]
    assert all(task in sentences[1] for task in TASKS)


@pytest.mark.parametrize("count", ["0", "-1"])
def test_a_demo_without_problems_is_refused(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--problems", count]) == 2
    assert "--problems must be 1 or more" in capsys.readouterr().err
