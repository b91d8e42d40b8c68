"""`reasonlab estimate`: the table, its arithmetic, and options that cannot be."""

from __future__ import annotations

import pytest

from evaluators.errors import BadInput, UnknownName
from labs.estimate import run


def test_the_table_names_every_way_and_what_fits(capsys):
    assert run(["--params", "7e9", "--card", "h100", "--length", "512"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "32 layers of 4096" in lines[0]
    fits = {line[:21].strip(): line.split()[-1] for line in lines[2:8]}
    assert fits == {
        "full": "no", "full, computed again": "no", "lora": "yes", "lora, computed again": "yes",
        "qlora": "yes", "qlora, computed again": "yes",
    }  # fmt: skip


def test_hours_and_money_are_operations_by_the_share_of_the_peak(capsys):
    argv = [
        "--params",
        "1e9",
        "--vocabulary",
        "1",
        "--length",
        "1",
        "--tokens",
        "1e9",
        "--peak",
        "1e15",
        "--share",
    ]
    run([*argv, "0.5", "--price", "100"])
    once = capsys.readouterr().out.splitlines()[2].split()
    run([*argv, "0.25", "--price", "100", "--gpus", "2"])
    again = capsys.readouterr().out.splitlines()[2].split()
    assert once[-2] == again[-2] and float(again[-1]) == pytest.approx(2 * float(once[-1]), abs=0.1)
    hours = 1e9 * 6e9 / (0.5e15 * 3600)  # about: a usual shape is near, not at, a billion
    assert float(once[-2]) == pytest.approx(hours, rel=0.15)
    assert float(once[-1]) == pytest.approx(100 * float(once[-2]), abs=0.6)


def test_an_embedded_model_is_read_from_its_config(capsys):
    run(["--model", "tiny", "--precision", "float32"])
    assert "853,632 weights, 4 layers of 128" in capsys.readouterr().out


@pytest.mark.parametrize(("argv", "said"), [
    (["--params", "7e9", "--rows", "0"], "--rows"),
    (["--params", "7e9", "--share", "2"], "--share"),
    (["--params", "7e9", "--tokens", "1e9"], "--card"),
    (["--params", "7e9", "--price", "2"], "--tokens"),
    (["--params", "7"], "params"),
], ids=["rows", "share", "no-card", "no-tokens", "params"])  # fmt: skip
def test_options_that_cannot_be_are_refused_in_a_sentence(argv, said):
    with pytest.raises(BadInput, match=said):
        run(argv)


def test_an_unknown_card_is_named():
    with pytest.raises(UnknownName, match="h1000"):
        run(["--params", "7e9", "--card", "h1000"])
