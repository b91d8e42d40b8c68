"""`reasonlab compare`: CompareSettings from flags, or from a TOML file with flags on top."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, UnknownName
from search.calls import split as split_list
from search.settings import CompareSettings

LISTS = {"strategy": str, "budget": int, "seed": int}
"""Settings that take several values, separated by commas."""

PAIRS = ("options", "model_options")
"""Settings that take `name=value` pairs, separated by commas."""

CAPS = ("dollars", "seconds")
"""Settings that are numbers where they are set."""

DESCRIPTION = (
    "Compare strategies at equal token budgets on a task. Lists are separated by commas:"
    " --strategy 'best-of-n(n=8),step-resample' --budget 32,128,512. --config FILE.toml reads the"
    " same settings from a file; flags win. --options ops=5 goes to the task, --model-options"
    " dtype=bfloat16,device=cuda to the model. --dollars caps each arm's run, with a model that has"
    " prices: --model-options price_prompt=0.1,price_completion=0.4 (per million tokens)."
    " With --out the run is logged and --resume goes on with it."
)


def read_config(path: Path) -> CompareSettings:
    """Settings from a TOML file. Raises BadInput, and UnknownName for a key that is no setting."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no TOML: {error}") from error
    known = {field.name: field for field in fields(CompareSettings)}
    given: dict[str, Any] = {}
    for key, value in data.items():
        name = key.replace("-", "_")
        if name not in known:
            raise UnknownName(f"setting in {path}", key, known)
        given[name] = _typed(name, value, path)
    return replace(CompareSettings(), **given)


def _typed(name: str, value: Any, path: Path) -> Any:
    """The value as the setting's type: lists as tuples. Raises BadInput naming file and key."""
    if name in LISTS:
        kind = LISTS[name]
        if isinstance(value, str):
            value = split_list(value)
        try:
            return tuple(map(kind, value if isinstance(value, list) else [value]))
        except (TypeError, ValueError) as error:
            raise BadInput(f"{path}: {name} must be a list of {kind.__name__} values") from error
    if name in CAPS:
        if type(value) not in (int, float):
            raise BadInput(f"{path}: {name} is a number, not {value!r}")
        return float(value)
    default = getattr(CompareSettings(), name)
    kind = str if default is None else Mapping if isinstance(default, Mapping) else type(default)
    if not isinstance(value, kind) or isinstance(value, bool) != isinstance(default, bool):
        raise BadInput(f"{path}: {name} cannot be {value!r}")
    return value


def spread(argv: Sequence[str]) -> Iterator[str]:
    """The arguments as tyro wants them: `--budget 32,128` as `--budget 32 128`, `--options a=1`
    as `--options a 1`."""
    current = ""
    for word in argv:
        flag, equals, value = word.partition("=")
        if word.startswith("--"):
            current = flag.removeprefix("--").replace("-", "_")
            yield flag if equals else word
            if not equals:
                continue
            word = value
        if current in LISTS:
            yield from split_list(word) or [word]
        elif current in PAIRS:
            for part in split_list(word):
                yield from part.split("=", 1)
        else:
            yield word


def settings_of(argv: Sequence[str]) -> CompareSettings:
    """The settings that the flags ask for, on top of `--config FILE` or the defaults."""
    import tyro

    rest, base = list(argv), CompareSettings()
    for at, word in enumerate(rest):
        flag, equals, value = word.partition("=")
        if flag == "--config":
            if not equals and at + 1 == len(rest):
                raise BadInput("--config needs the name of a TOML file")
            base = read_config(Path(value if equals else rest[at + 1]))
            del rest[at : at + (1 if equals else 2)]
            break
    return tyro.cli(
        CompareSettings,
        prog="reasonlab compare",
        description=DESCRIPTION,
        default=base,
        args=list(spread(rest)),
    )


def run(argv: list[str]) -> int:
    """The command: compare, print, leave chart and table in the run folder."""
    settings = settings_of(argv)
    from labs.summary import save, summary
    from search.settings import compare_from

    try:
        report = compare_from(settings)
    except KeyboardInterrupt as stop:
        again = [*argv, *([] if settings.resume else ["--resume"])]
        advice = f"continue with: reasonlab compare {shlex.join(again)}"
        lost = "nothing was kept; give --out FOLDER to be able to resume"
        raise KeyboardInterrupt(advice if settings.out else lost) from stop
    print(summary(report))
    if settings.out:
        files = save(report, Path(settings.out))
        print(f"saved: {', '.join(file.name for file in files)} in {settings.out}")
    return 0 if report.complete and not any(c.state == "error" for c in report.cells) else 1
