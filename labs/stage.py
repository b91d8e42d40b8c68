"""One stage of training: a method, the model it starts from, its data and settings.

It is run in a folder of its own with a manifest (`manifest.py`); one that is complete is not run
again. `reasonlab train METHOD` is one stage, a chain is several.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, UnknownName
from labs import manifest
from labs.manifest import LEARNED
from labs.recipe_options import checked
from labs.training_data import SOLVER, TESTED, Gathered, Source, fields_of, gather

REWARD = "reward"
"""The method that makes reward models: its recipe is `RewardSettings`."""

ROLES = ("writer", "teacher", "reward", "reference")
"""Settings that may name a model that goes in beside the policy."""

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Stage:
    """What is done: `method` on `policy` (a model's name or folder). `source` says what from,
    `settings` are the recipe's."""

    name: str
    method: str
    policy: str
    source: Source = field(default_factory=Source)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What the method learns from."""
        return kind_of(self.method)

    def recipe(self) -> Any:
        """The recipe with these settings. Raises BadInput for values that it refuses."""
        settings = dict(self.settings)
        if self.method == REWARD:
            settings["model"] = self.policy
        return recipe_kind(self.method)(**settings)

    def asked(self) -> dict[str, dict[str, Any]]:
        """Recipe and source as JSON values, whole; of the source what the method looks at."""
        recipe = asdict(self.recipe())
        if self.method == REWARD:
            del recipe["model"]  # that is the policy
        source = {name: getattr(self.source, name) for name in fields_of(self.method, self.kind)}
        for part in (recipe, source):  # by name: a file elsewhere with the same content is the same
            if part.get("data"):
                files = [part["data"]] if isinstance(part["data"], str) else part["data"]
                part["data"] = [Path(file).name for file in files]
        return json.loads(json.dumps({"recipe": recipe, "source": source}))

    def files(self) -> list[Path]:
        """The files that it learns from."""
        own = self.settings.get("data")
        return [Path(file) for file in (*self.source.data, *([own] if own else []))]

    def models(self) -> dict[str, str]:
        """The models that go in, by what they do: the policy, who wrote the traces, a teacher…"""
        asked = self.asked()
        values = {**asked["source"], **asked["recipe"]}
        named = {role: values[role] for role in ROLES if isinstance(values.get(role), str)}
        return {"policy": self.policy} | {
            role: name
            for role, name in named.items()
            if name
            and (role != "reward" or name.startswith(LEARNED))
            and name.partition(":")[0] != SOLVER
        }


def kind_of(method: str) -> str:
    """What a method learns from: a key of `training_data.FIELDS`. Raises UnknownName."""
    from reasoning.train.methods import METHODS

    if method == REWARD:
        return "none"
    if method not in METHODS:
        raise UnknownName("training method", method, (*METHODS, REWARD))
    return METHODS[method].data


def recipe_kind(method: str) -> type:
    """The dataclass of a method's settings. Raises UnknownName."""
    if method == REWARD:
        from labs.train_reward import RewardSettings

        return RewardSettings
    kind_of(method)
    from reasoning.train.methods import METHODS

    return METHODS[method].settings()


def made(
    name: str, method: str, policy: str, asked: Mapping[str, Any], where: str
) -> Stage:  # fmt: skip
    """A stage from settings of data and recipe together, named as the options of `reasonlab train`.

    Raises UnknownName for a name that is no setting of the method, BadInput for a wrong value.
    """
    known, kind = fields_of(method, kind_of(method)), recipe_kind(method)
    own = {key.replace("-", "_"): value for key, value in asked.items()}
    about_data = {key: value for key, value in own.items() if key in known}
    rest = {key: value for key, value in own.items() if key not in known}
    try:
        settings = checked(kind, rest, where)
    except UnknownName as error:
        from dataclasses import fields

        names = [*known, *(f.name for f in fields(kind))]
        wrong = next(key for key in rest if key not in names)
        raise UnknownName(f"setting of {where}", wrong, names) from error
    source = Source(**checked(Source, about_data, where))
    return Stage(name, method, policy, source, settings)


def run_stage(stage: Stage, folder: Path, report: Report, told: Mapping[str, str] = {}) -> Path:
    """Run a stage in its folder, or the rest of one that was interrupted; returns the folder of its
    weights. One that is complete is not run again.

    `told` says how the manifest is to call the models that went in (name in the stage -> name), so
    that it names no place that another machine does not have. Ctrl-C ends the stage after the step
    at hand, keeps a checkpoint and saves the weights. Under `accelerate launch` one process writes
    the files. Raises BadInput where the folder holds another stage, or one that went from other
    weights; KeyboardInterrupt.
    """
    from reasoning.train.run import leads, processes

    if processes() > 1 and stage.method == REWARD:
        raise BadInput("reward models are trained in one process: run this without a launcher")
    if not leads():
        return _beside(stage, folder, report)
    record = manifest.begun(_fresh(stage, folder, told), folder)
    place = folder / "model"
    if record["result"] is not None:
        if manifest.identity(str(place)) != record["result"]["weights"]:
            raise BadInput(
                f"the weights in {place} are not those that the manifest tells of: restore them, or"
                " name another folder"
            )
        return place
    if stage.method == REWARD:
        place = _reward(stage, folder, report)
    else:
        got = _gathered(stage, folder)
        words = got.about
        for name, called in told.items():
            words = words.replace(name, called)
        about: dict[str, Any] = {"hash": got.hash, "rows": got.rows, "from": words}
        if got.flops:
            about["flops"] = got.flops
        manifest.keep_data(record, about, folder)
        print(f"{got.rows:,} of {words}", flush=True)
        place = _trained(stage, got, folder, report)
    training = json.loads((place / "training.json").read_text("utf-8"))
    if stage.method == REWARD:
        manifest.keep_data(record, {**training["data"], "from": _sampled(stage, told)}, folder)
    manifest.keep_result(record, place, training.get("spent"), folder)
    return place


def dialect_of(policy: str) -> Any:
    """`compact` for a policy that was trained on it, else `plain`."""
    from reasoning.train.methods import policy_folder

    config = Path(policy_folder(policy)) / "config.json"
    said = json.loads(config.read_text("utf-8")) if config.is_file() else {}
    return "compact" if said.get("reasonlab_dialect") == "compact" else "plain"


def stoppable(work: Callable[[Report, threading.Event], Path], report: Report) -> Path:
    """Run training in a thread and wait. Ctrl-C asks it to end after the step at hand, waits for
    the checkpoint and raises KeyboardInterrupt; a second one does not wait."""
    from reasoning.train.background import Training

    def both(note: Report, stop: threading.Event) -> Path:
        return work(lambda row: (note(row), report(row))[0], stop)

    run = Training(both)
    while True:
        try:
            if run.state == "ready":
                run.start()
            place = run.wait(0.2)
            break
        except TimeoutError:
            if run.state == "failed":  # the training's own
                raise
        except KeyboardInterrupt:
            if run.stopped:
                raise
            print("ending after this step; once more to end at once", flush=True)
            run.stop()
    if run.stopped:
        raise KeyboardInterrupt(f"the weights so far are in {place}")
    return place


# -- inside ---------------------------------------------------------------------------


def _fresh(stage: Stage, folder: Path, told: Mapping[str, str]) -> dict[str, Any]:
    """What decides the stage, for its manifest."""
    asked = {
        part: {k: told.get(v, v) if isinstance(v, str) else v for k, v in values.items()}
        for part, values in stage.asked().items()
    }
    parents = {
        role: manifest.parent(role, name, told.get(name, name), folder)
        for role, name in stage.models().items()
    }
    return {
        "stage": stage.name, "method": stage.method, "seed": asked["recipe"].get("seed"),
        "parents": parents, **asked,
        "files": {file.name: manifest.file_hash(file) for file in stage.files()},
    }  # fmt: skip


def _sampled(stage: Stage, told: Mapping[str, str]) -> str:
    """Where the data of a reward model come from, in words."""
    recipe = stage.recipe()
    if recipe.data is not None:
        return Path(recipe.data).name
    writer = recipe.writer or stage.policy
    return f"samples of {told.get(writer, writer)} on {recipe.task}"


def _gathered(stage: Stage, folder: Path) -> Gathered:
    source = stage.source
    if stage.method in TESTED:
        source = replace(source, pool=stage.recipe().problems)
    return gather(source, stage.kind, folder, dialect_of(stage.policy), stage.method)


def _beside(stage: Stage, folder: Path, report: Report) -> Path:
    """The part of a process that does not lead (`accelerate launch`): it waits for the data that
    the leading one writes, and trains with it."""
    record: dict[str, Any] = {"data": None, "result": None}
    while record["data"] is None and record["result"] is None:
        time.sleep(0.2)
        if (folder / manifest.MANIFEST).is_file():
            record = manifest.read_manifest(folder / manifest.MANIFEST)
    if record["result"] is not None:
        return folder / "model"
    got = _gathered(stage, folder)
    return _trained(stage, got, folder, report)


def _trained(stage: Stage, got: Gathered, folder: Path, report: Report) -> Path:
    from reasoning.train.methods import METHODS, policy_folder

    recipe, policy = stage.recipe(), policy_folder(stage.policy)
    train = METHODS[stage.method].train()
    return stoppable(
        lambda note, stop: train(got.data, policy, folder, recipe, note, stop), report
    )  # fmt: skip


def _reward(stage: Stage, folder: Path, report: Report) -> Path:
    from labs.train_reward import train

    settings = stage.recipe()
    return stoppable(lambda note, stop: train(settings, folder, note, stop), report)
