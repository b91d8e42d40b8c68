"""A chain of training stages out of one TOML file, each in a folder of its own.

Stages hand over by files: what one makes, the next opens by its folder. The chain goes on where it
stopped, stage by stage, and refuses to go on under other settings. On a CPU with the same versions
and the same number of threads it makes the same weights again, bit for bit.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, UnknownName
from labs.stage import LEARNED, REWARD, Report, Stage, made, recipe_kind, run_stage

PREFIX = "stage:"
"""What a setting begins with that names the result of an earlier stage."""

_OWN = ("name", "method", "policy")
_LAST = (REWARD, "quantise")
"""Methods whose weights are no policy, or are packed: nothing is trained from them."""


@dataclass(frozen=True)
class Chain:
    """The stages in their order. A text of a stage's settings that begins with `stage:` stands for
    the weights of that stage."""

    stages: tuple[Stage, ...] = field(default=())


def read_chain(path: Path) -> Chain:
    """The chain in a TOML file.

    On top `policy`, the model that the first stage starts from, and `seed`, that of every stage
    without one of its own. Then one `[[stage]]` each: `name`, `method`, what is set otherwise than
    by default (the options of `reasonlab train METHOD`), and `policy` where it is not what the
    last stage made that made a policy (a reward model is none). Files of data stand relative to the
    TOML file. Raises BadInput and UnknownName, before anything is run.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no TOML: {error}") from error
    for key in data:
        if key not in ("policy", "seed", "stage"):
            raise UnknownName(f"setting in {path}", key, ("policy", "seed", "stage"))
    listed = data.get("stage")
    if not isinstance(listed, list) or not listed:
        raise BadInput(f"{path} has no stage: write a table [[stage]] with name and method")
    policy, stages = data.get("policy", "tiny-student"), list[Stage]()
    for number, table in enumerate(listed, 1):
        stage = _stage(table, number, path, policy, data.get("seed"), stages)
        stages.append(stage)
        if stage.method != REWARD:
            policy = PREFIX + stage.name
    return Chain(tuple(stages))


def _stage(
    table: Mapping[str, Any], number: int, path: Path, policy: str, seed: int | None,
    before: list[Stage],
) -> Stage:  # fmt: skip
    if not isinstance(table, dict):
        raise BadInput(f"{path}, stage {number} is no table: write [[stage]] above its settings")
    where = f"{path}, stage {table.get('name', number)}"
    for key in ("name", "method"):
        if not isinstance(table.get(key), str):
            raise BadInput(f"{where} needs {key}, a text")
    if not isinstance(table.get("policy", policy), str):
        raise BadInput(f"{where} needs policy, a text")
    name = table["name"]
    if not re.fullmatch(r"[a-z0-9][\w.-]*", name) or name in [one.name for one in before]:
        raise BadInput(f"{where}: a name is letters, digits and -, and is there once, not {name!r}")
    asked = {key: value for key, value in table.items() if key not in _OWN}
    if "data" in asked:
        files = [asked["data"]] if isinstance(asked["data"], str) else asked["data"]
        placed = [str(path.parent / file) for file in files]
        asked["data"] = placed[0] if table["method"] == REWARD else placed
    if isinstance(asked.get("task"), str) and table["method"] != REWARD:
        asked["task"] = _tasks(asked["task"])
    kind = recipe_kind(table["method"])
    if seed is not None and "seed" in getattr(kind, "__dataclass_fields__", {}):
        asked.setdefault("seed", seed)
    stage = made(name, table["method"], table.get("policy", policy), asked, where)
    for value in [stage.policy, *_texts(stage)]:
        earlier = [one.name for one in before]
        if value.startswith(PREFIX) and value.removeprefix(PREFIX) not in earlier:
            raise UnknownName(f"earlier stage in {where}", value.removeprefix(PREFIX), earlier)
    start = {PREFIX + one.name: one.method for one in before}.get(stage.policy)
    if start in _LAST:
        raise BadInput(f"{where} starts from what {start} makes, which is not trained further: name"
                       " another policy")  # fmt: skip
    stage.recipe()
    return stage


def _tasks(text: str) -> list[str]:
    from search.calls import split

    return split(text)


def _texts(stage: Stage) -> list[str]:
    values = [*stage.settings.values(), *vars(stage.source).values()]
    return [value for value in values if isinstance(value, str)]


def run_chain(
    chain: Chain, folder: Path, report: Callable[[Stage], AbstractContextManager[Report]],
    done: Callable[[Stage, Path], None],
) -> dict[str, Path]:  # fmt: skip
    """Run the stages that are not complete; returns the folder of every stage's weights by name.

    `report` gives a stage that begins its listener, for as long as it lasts; `done` hears of one
    that is complete (also of one that was complete before). Raises what `run_stage` raises.
    """
    made_by: dict[str, Path] = {}
    for stage in chain.stages:
        placed, told = _resolved(stage, made_by)
        with report(stage) as heard:
            made_by[stage.name] = run_stage(placed, folder / stage.name, heard, told)
        done(stage, made_by[stage.name])
    return made_by


def _resolved(stage: Stage, made_by: Mapping[str, Path]) -> tuple[Stage, dict[str, str]]:
    """The stage with the folders of earlier stages in place of their names, and how to call them
    again."""
    told: dict[str, str] = {}

    def put(key: str, value: Any) -> Any:
        if not isinstance(value, str) or not value.startswith(PREFIX):
            return value
        place = f"hf:{made_by[value.removeprefix(PREFIX)]}"
        place = LEARNED + place.removeprefix("hf:") if key == "reward" else place
        told[place] = value
        return place

    settings = {key: put(key, value) for key, value in stage.settings.items()}
    source = {key: put(key, value) for key, value in vars(stage.source).items()}
    policy = put("policy", stage.policy)
    placed = replace(
        stage, policy=policy, settings=settings, source=type(stage.source)(**source)
    )  # fmt: skip
    return placed, told
