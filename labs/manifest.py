"""The manifest of a stage (`manifest.json`): written when it begins, completed when it ends.

It holds the settings, the seed, the data's hash, for every model that went in its weights' hash and
the way to it, and the weights that came out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput

MANIFEST = "manifest.json"
LEARNED = "model:"
"""How a reward that is an outcome model begins."""

_DECIDES = ("stage", "method", "parents", "recipe", "source")


def begun(fresh: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The manifest of the folder: `fresh` (what `_DECIDES` names, the seed, the hashes of `files`)
    where there is none, or one of a run that never got as far as its data. Raises BadInput where it
    tells of another run."""
    from reasoning.runlog import differences, versions

    path = folder / MANIFEST
    if not path.is_file() or [one.name for one in folder.iterdir()] == [MANIFEST]:
        made = {**fresh, "data": None, "result": None, "versions": versions()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{folder} cannot be written ({error}): name another folder") from error
        write(made, folder)
        return made
    old = read_manifest(path)
    was, now = ({key: _unplaced(one.get(key)) for key in _DECIDES} for one in (old, fresh))
    changes = differences(was, now)
    if changes:
        raise BadInput(
            f"{folder} holds a run with other settings; restore them or name another folder."
            " Changed: " + "; ".join(changes)
        )
    for name, content in fresh.get("files", {}).items():
        if content is not None and old.get("files", {}).get(name, content) != content:
            raise BadInput(
                f"{name} was changed since the run in {folder} began: restore it, or name another"
                " folder"
            )
    return old


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest. Raises BadInput for a damaged one."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return {**found, "result": found["result"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is no manifest ({error}): name another folder") from error


def write(record: Mapping[str, Any], folder: Path) -> None:
    """The whole manifest or nothing."""
    draft = folder / (MANIFEST + ".new")
    draft.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(draft, folder / MANIFEST)


def keep_data(record: dict[str, Any], told: Mapping[str, Any], folder: Path) -> None:
    """Write what the data are (`hash`, `rows`, `from`, and `flops` where a model wrote them).
    Raises BadInput where the run began with other data."""
    if record["data"] is not None and record["data"]["hash"] != told["hash"]:
        raise BadInput(
            f"the data in {folder} are not those that its run began with: restore them, or name"
            " another folder"
        )
    record["data"] = {**(record["data"] or {}), **told}
    write(record, folder)


def keep_result(record: dict[str, Any], place: Path, spent: Any, folder: Path) -> None:
    """Complete the manifest with the weights in `place`."""
    record["result"] = {"path": os.path.relpath(place, folder), "weights": identity(str(place))}
    if spent is not None:
        record["result"]["spent"] = spent
    write(record, folder)


def identity(place: str) -> str:
    """What tells weights apart: a hash of their files (see `weights_id`)."""
    from reasoning.models.weights import weights_id

    return weights_id(place, None)


def parent(role: str, name: str, called: str, folder: Path) -> dict[str, Any]:
    """A model that goes in: its name, the hash of its weights and the way to them, where they are
    local and not the package's own. Raises BadInput for a policy that is nowhere."""
    from reasoning import models
    from reasoning.train.methods import policy_folder

    if role != "policy" and ("@" in name or name.startswith("recorded:")):
        return {"name": called}
    place = Path(policy_folder(name.removeprefix(LEARNED)))
    told = {"name": called, "weights": identity(str(place))}
    if place.is_dir() and place.parent != Path(models.__file__).parent / "tiny":
        told["path"] = os.path.relpath(place, folder)
    return told


def file_hash(path: Path) -> str | None:
    """What tells the contents of a file apart; None where there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


# -- inside ---------------------------------------------------------------------------


def _unplaced(value: Any) -> Any:
    """Without the ways to parents: the same weights elsewhere are the same."""
    if not isinstance(value, dict):
        return value
    return {k: _unplaced(v) for k, v in value.items() if k != "path"}
