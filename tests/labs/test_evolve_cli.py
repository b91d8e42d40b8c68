"""`reasonlab evolve` and `reasonlab verify`: flags, TOML, exit codes, what is printed and kept."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluators.errors import BadInput, LabError, UnknownName
from evaluators.sandbox import WeakSandbox
from labs.cli import main
from labs.evolve import read_config, settings_of, spread
from search.evolve.settings import EvolveSettings

SMALL = ["cap-set:3", "--evaluations", "40", "--workers", "1"]


def test_flags_become_settings() -> None:
    settings = settings_of(
        ["bin-packing:or-3", "--evaluations", "50", "--seconds=9.5", "--options",
         "skeleton=priority,train=4", "--population", "capacity=7,selection=clusters", "--islands",
         "3", "--out", "runs/x", "--resume", "--proposer-options", "crossover=0.5"]
    )  # fmt: skip
    assert settings == EvolveSettings(
        "bin-packing:or-3", evaluations=50, seconds=9.5, islands=3, out="runs/x", resume=True,
        options={"skeleton": "priority", "train": 4},
        population={"capacity": 7, "selection": "clusters"}, proposer_options={"crossover": 0.5},
    )  # fmt: skip


def test_the_problem_may_be_a_flag_or_the_word_that_no_flag_claims() -> None:
    assert list(spread(["cap-set:4", "--seed", "3"])) == ["--problem", "cap-set:4", "--seed", "3"]
    assert list(spread(["--problem", "cap-set:4"])) == ["--problem", "cap-set:4"]
    for before in (["--seed", "3"], ["--seed=3"], ["--options", "a=1,b=2", "--seed", "3"],
                   ["--resume"]):  # fmt: skip
        told = list(spread([*before, "cap-set:4", "--out", "x"]))
        assert told[-4:] == ["--problem", "cap-set:4", "--out", "x"]
    assert list(spread(["--options", "a=1", "b=2"])) == ["--options", "a", "1", "b", "2"]


def test_toml_and_flags_on_top(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        'problem = "cap-set:5"\nevaluations = 100\nseconds = 60\nmodel = "tiny"\n'
        "[population]\ncapacity = 9\n[proposer-options]\nbest-k = 3\n"
        "[model-options]\nmax-rows = 4\n"
    )
    settings = settings_of(["--config", str(file), "--evaluations", "7"])
    assert (settings.problem, settings.evaluations, settings.seconds) == ("cap-set:5", 7, 60.0)
    assert settings.population == {"capacity": 9} and settings.model == "tiny"
    assert settings.proposer_options == {"best_k": 3}
    assert settings.model_options == {"max_rows": 4}


@pytest.mark.parametrize(
    ("text", "told"),
    [("evaluation = 5", "unknown setting .* 'evaluation'"), ("evaluations = 'many'", "'many'"),
     ("resume = 1", "resume cannot be 1"), ("population = 3", "population cannot be 3"),
     ("a = ", "is no TOML"), ("seconds = true", "seconds cannot be True")],
    ids=["name", "type", "flag", "table", "syntax", "truth"],
)  # fmt: skip
def test_a_wrong_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises((BadInput, UnknownName), match=told):
        read_config(file)


@pytest.mark.parametrize(
    ("argv", "told"),
    [(["cap-set:3"], "set one of evaluations"),
     (["cap-sett:3", "--evaluations", "5"], "cap-set"),
     ([*SMALL, "--proposer", "mutat"], "mutate"),
     ([*SMALL, "--proposer", "model"], "--model NAME"),
     ([*SMALL, "--population", "capazity=3"], "capacity"),
     ([*SMALL, "--population", "capacity"], "name=value"),
     ([*SMALL, "--proposer-options", "colour=3"], "colour"),
     ([*SMALL, "--tokens", "5", "--workers", "0"], "workers"),
     (["--config"], "needs a value"),
     (["--check", "nowhere.py"], "nowhere.py"),
     ([*SMALL, "--sandbox", "jail"], "jail")],
    ids=["end", "problem", "proposer", "model", "setting", "pair", "option", "workers", "config",
         "check", "sandbox"],
)  # fmt: skip
def test_what_cannot_work_is_told_in_one_line_with_exit_code_2(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evolve", *argv]) == 2
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error


def test_evolve_prints_keeps_resumes_and_is_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    assert main(["evolve", *SMALL, "--out", out]) == 0
    printed = capsys.readouterr().out
    assert "def priority" in printed and "cap-set:3 (maximise), best program" in printed
    assert "41 programs" in printed and "ended by evaluations" in printed

    assert main(["evolve", *SMALL, "--out", out]) == 2  # not overwritten
    assert "--resume" in capsys.readouterr().err
    assert main(["evolve", *SMALL, "--out", out, "--resume", "--evaluations", "50"]) == 0
    assert "51 programs" in capsys.readouterr().out

    assert main(["verify", out]) == 0
    assert re.search(r"\d+\.json: valid, program \d+, train score 9", capsys.readouterr().out)
    file = next((tmp_path / "run" / "artefacts").iterdir())
    told = json.loads(file.read_text())
    told["scores"] = {"train": 10.0}
    file.write_text(json.dumps(told))
    assert main(["verify", out]) == 1
    assert "INVALID: its score is" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["a", "b"], ["--all"]], ids=str)
def test_verify_wants_one_folder(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *argv]) == 2
    assert "folder of one run" in capsys.readouterr().err


def test_verify_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--help"]) == 0
    assert "Exit code 0" in capsys.readouterr().out


def test_a_problem_of_ones_own_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    import evaluators.discovery

    example = Path(evaluators.discovery.__file__).parent / "examples" / "one_machine.py"
    assert main(["evolve", "--check", str(example)]) == 0
    assert capsys.readouterr().out.strip()
    with pytest.warns(WeakSandbox):
        assert main(["evolve", "--sandbox", "process", "--check", str(example)]) == 0
    assert "ready: reasonlab evolve" in capsys.readouterr().out
    assert main(["evolve", "--check", str(example), "--evaluations", "5"]) == 2
    assert "not with --evaluations 5" in capsys.readouterr().err


def test_ctrl_c_keeps_the_run_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    program = (  # a shell's background job starts with the signal ignored
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from labs.cli import main; sys.exit(main())"
    )
    argv = [sys.executable, "-c", program, "evolve", "cap-set:4", "--seconds", "60",
            "--workers", "1", "--out", str(out)]  # fmt: skip
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + 60
    while time.monotonic() < end and not (
        (out / "events.jsonl").exists() and (out / "events.jsonl").read_text().count('"k":') > 20
    ):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "continue with: reasonlab evolve cap-set:4 --seconds 60" in error
    assert error.rstrip().endswith("--resume")
    assert "Traceback" not in error
    assert issubclass(BadInput, LabError)
