"""`reasonlab compare`: the same settings from flags, from TOML, and from both."""

from __future__ import annotations

from pathlib import Path

import pytest

import search.settings
from evaluators.errors import BadInput, UnknownName
from labs.cli import main
from labs.compare import read_config, settings_of, split_list, spread
from search.settings import CompareSettings


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("32,128,512", ["32", "128", "512"]),
        ("best-of-n(n=8,scorer=likelihood),direct", ["best-of-n(n=8,scorer=likelihood)", "direct"]),
        ("a(x='1,2'), b", ["a(x='1,2')", "b"]),
        ("direct,", ["direct"]),
        ("", []),
    ],
)
def test_lists_split_at_commas_outside_brackets_and_quotes(text: str, parts: list[str]) -> None:
    assert split_list(text) == parts


def test_flags_give_the_settings_of_the_issue() -> None:
    line = (
        "--task expressions --model tiny --strategy best-of-n,step-resample"
        " --budget 32,128,512 --problems 200 --out runs/x --resume --options ops=5"
        " --model-options dtype=bfloat16,max_rows=8"
    )
    assert settings_of(line.split()) == CompareSettings(
        task="expressions",
        strategy=("best-of-n", "step-resample"),
        budget=(32, 128, 512),
        problems=200,
        out="runs/x",
        resume=True,
        options={"ops": 5},
        model_options={"dtype": "bfloat16", "max_rows": 8},
    )


def test_flags_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'task = "countdown"\nstrategy = ["direct", "best-of-n(n=4,vote=true)"]\nbudget = 64\n'
        "problems = 7\n[options]\nnumbers = 5\n"
    )
    settings = settings_of(["--config", str(path), "--problems=9", "--seed", "1,2"])
    assert settings == CompareSettings(
        task="countdown",
        strategy=("direct", "best-of-n(n=4,vote=true)"),
        budget=(64,),
        problems=9,
        seed=(1, 2),
        options={"numbers": 5},
    )


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("taks = 'x'", UnknownName, "Did you mean 'task'"),
        ("problems = 'many'", BadInput, "problems cannot be 'many'"),
        ("budget = ['x']", BadInput, "budget must be a list of int"),
        ("resume = 1", BadInput, "resume cannot be 1"),
        ("problems = ", BadInput, "is no TOML"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(
    text: str, error: type[Exception], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(error) as caught:
        read_config(path)
    assert said in str(caught.value)
    assert "run.toml" in str(caught.value)


def test_equals_signs_and_spaces_mean_the_same() -> None:
    assert list(spread(["--budget=32,64", "--resume"])) == ["--budget", "32", "64", "--resume"]
    assert list(spread(["--budget", "32,64"])) == list(spread(["--budget=32,64"]))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--strategy", "best-of"], "Did you mean 'best-of-n'"),
        (["--task", "expresions"], "Did you mean 'expressions'"),
        (["--model", "tinny", "--problems", "1"], "Did you mean 'tiny'"),
        (["--config", "none.toml"], "cannot read none.toml"),
    ],
)
def test_a_wrong_name_is_one_line_and_exit_2(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *flags]) == 2
    captured = capsys.readouterr().err
    assert said in captured
    assert len(captured.splitlines()) == 1


def test_an_interrupted_run_says_the_line_that_resumes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(settings: CompareSettings) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(search.settings, "compare_from", interrupted)
    assert main(["compare", "--out", "runs/a b"]) == 130
    assert "reasonlab compare --out 'runs/a b' --resume" in capsys.readouterr().err
    assert main(["compare"]) == 130
    assert "--out FOLDER" in capsys.readouterr().err
