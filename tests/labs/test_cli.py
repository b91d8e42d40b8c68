"""The command line: names, exit codes, one clear line for what the user can cure."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from evaluators.errors import BadInput
from labs import cli


def stub(monkeypatch: pytest.MonkeyPatch, run: object) -> None:
    module = ModuleType("stub_command")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stub_command", module)
    monkeypatch.setitem(cli.COMMANDS, "stub", ("stub_command", "for tests"))


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)


def test_a_wrong_command_is_one_line_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["dmeo"]) == 2
    said = capsys.readouterr().err
    assert "Did you mean 'demo'" in said
    assert len(said.splitlines()) == 1


def test_an_interrupt_exits_130_and_passes_on_how_to_resume(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(argv: list[str]) -> int:
        raise KeyboardInterrupt("continue with --resume")

    stub(monkeypatch, run)
    assert cli.main(["stub"]) == 130
    assert "continue with --resume" in capsys.readouterr().err


def test_an_error_of_the_user_exits_2_and_a_bug_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(argv: list[str]) -> int:
        raise BadInput("x is wrong; write y")

    stub(monkeypatch, refuse)
    assert cli.main(["stub"]) == 2
    assert capsys.readouterr().err == "reasonlab: x is wrong; write y\n"

    def fail(argv: list[str]) -> int:
        raise ZeroDivisionError

    stub(monkeypatch, fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["stub"])


def test_import_runs_a_module_of_the_user_before_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine_for_cli_test.py").write_text("LOADED = True\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    seen: list[list[str]] = []

    def run(argv: list[str]) -> int:
        assert "mine_for_cli_test" in sys.modules
        seen.append(argv)
        return 0

    stub(monkeypatch, run)
    assert cli.main(["stub", "--import", "mine_for_cli_test", "--x", "1"]) == 0
    assert seen == [["--x", "1"]]
    sys.modules.pop("mine_for_cli_test")


def test_a_module_that_cannot_be_found_exits_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stub(monkeypatch, lambda argv: 0)
    assert cli.main(["--import", "no_such_module_here", "stub"]) == 2
    said = capsys.readouterr().err
    assert "no_such_module_here" in said and "current folder" in said


@pytest.mark.parametrize("form", ["absolute", "relative", "without ending"])
def test_a_module_can_be_named_by_its_file(
    form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "mine_by_path.py"
    file.write_text("LOADED = True\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    stub(monkeypatch, lambda argv: 0 if "mine_by_path" in sys.modules else 1)
    named = {
        "absolute": str(file),
        "relative": "deep/mine_by_path.py",
        "without ending": "./deep/mine_by_path",
    }
    assert cli.main(["stub", "--import", named[form]]) == 0
    sys.modules.pop("mine_by_path")
