"""`reasonlab evolve`: EvolveSettings from flags, or from a TOML file with flags on top."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from evaluators.errors import BadInput, UnknownName
from labs.compare import split_list
from search.evolve.settings import EvolveSettings

PAIRS = ("options", "proposer_options", "model_options", "population")
"""Settings that take `name=value` pairs, separated by commas."""

SWITCHES = ("resume", "no_resume", "help")
"""Flags that take no value."""

DESCRIPTION = (
    "Evolve a program for a discovery problem: reasonlab evolve PROBLEM --evaluations 5000."
    " PROBLEM is a name (bin-packing:weibull-5k, cap-set:6) or a Python file of your own (--check"
    " FILE.py says what is wrong with it). The proposer is mutate, which needs no model; --model"
    " NAME lets a model write the programs. The run ends after --evaluations, --tokens, --dollars"
    " or --seconds. --options skeleton=priority,train=24 goes to the problem, --proposer-options to"
    " the proposer, --model-options to the model, --population capacity=100,reset=500 to the"
    " islands. --config FILE.toml reads the same settings from a file; flags win. With --out the"
    " run is kept: --resume goes on with it, also with a larger budget, and reasonlab verify FOLDER"
    " checks what it found. --sandbox names a back-end."
)


def read_config(path: Path) -> EvolveSettings:
    """Settings from a TOML file. Raises BadInput, and UnknownName for a key that is no setting."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no TOML: {error}") from error
    names = [field.name for field in fields(EvolveSettings)]
    types = get_type_hints(EvolveSettings)
    given: dict[str, Any] = {}
    for key, value in data.items():
        name = key.replace("-", "_")
        if name not in names:
            raise UnknownName(f"setting in {path}", key, names)
        given[name] = _typed(f"{path}: {key}", value, types[name])
    return replace(EvolveSettings(), **given)


def _typed(where: str, value: Any, kind: Any) -> Any:
    """The value as the setting's type. Raises BadInput."""
    wanted = [t for t in (get_args(kind) or (kind,)) if t is not type(None)]
    if any("Mapping" in str(t) for t in (kind, *wanted)):
        if isinstance(value, dict):
            return {key.replace("-", "_"): item for key, item in value.items()}
    elif float in wanted and type(value) in (int, float):
        return float(value)
    elif type(value) in wanted:
        return value
    raise BadInput(f"{where} cannot be {value!r}")


def spread(argv: Sequence[str]) -> Iterator[str]:
    """The arguments as tyro wants them: the problem, the one word that no flag claims, as a flag;
    `--options a=1,b=2` as `--options a 1 b 2`."""
    current, free, first = "", True, True
    for word in argv:
        flag, equals, value = word.partition("=")
        if word.startswith("--"):
            current = flag.removeprefix("--").replace("-", "_")
            first = first and current != "problem"
            free = current in SWITCHES
            yield flag if equals else word
            if not equals:
                continue
            word = value
        elif free and first:
            yield from ("--problem", word)
            first = False
            continue
        free = current not in PAIRS
        if current in PAIRS:
            for part in split_list(word):
                if "=" not in part:
                    raise BadInput(f"--{current.replace('_', '-')} takes name=value, not {part!r}")
                yield from part.split("=", 1)
        else:
            yield word


def settings_of(argv: Sequence[str]) -> EvolveSettings:
    """The settings that the flags ask for, on top of `--config FILE` or the defaults."""
    import tyro

    rest, file = take(argv, "--config")
    base = EvolveSettings() if file is None else read_config(Path(file))
    return tyro.cli(
        EvolveSettings,
        prog="reasonlab evolve",
        description=DESCRIPTION,
        default=base,
        args=list(spread(rest)),
    )


def take(argv: Sequence[str], wanted: str) -> tuple[list[str], str | None]:
    """The arguments without the flag `wanted`, and its value. Raises BadInput for a flag without
    one."""
    rest = list(argv)
    for at, word in enumerate(rest):
        flag, equals, value = word.partition("=")
        if flag == wanted:
            if not equals and at + 1 == len(rest):
                raise BadInput(f"{wanted} needs a value")
            value = value if equals else rest[at + 1]
            del rest[at : at + (1 if equals else 2)]
            return rest, value
    return rest, None


def advice(argv: Sequence[str], settings: Mapping[str, Any]) -> str:
    """How to go on after Ctrl-C."""
    if not settings["out"]:
        return "nothing was kept; give --out FOLDER to be able to resume"
    again = [*argv, *([] if settings["resume"] else ["--resume"])]
    return f"continue with: reasonlab evolve {shlex.join(again)}"


def _check(file: str, argv: Sequence[str]) -> int:
    from evaluators.discovery import check
    from evaluators.sandbox import Sandbox

    rest, backend = take(argv, "--sandbox")
    if rest:
        raise BadInput(f"--check FILE goes with --sandbox NAME alone, not with {shlex.join(rest)}")
    if backend is None:
        print(check(file))
    else:
        with Sandbox(backend) as sandbox:
            print(check(file, sandbox))
    return 0


def run(argv: list[str]) -> int:
    """The command: evolve, print the best program and what the run came to."""
    rest, own = take(argv, "--check")
    if own is not None:
        return _check(own, rest)
    settings = settings_of(argv)
    from search.evolve.settings import evolve_from

    try:
        evolution = evolve_from(settings)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(advice(argv, vars(settings))) from stop
    report = evolution.report
    if report.best is not None:
        print(report.best.source)
    print(report)
    if settings.out:
        print(f"saved in {settings.out}; check it again: reasonlab verify {settings.out}")
    return 0 if report.best is not None else 1
