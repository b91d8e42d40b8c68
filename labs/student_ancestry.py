"""`reasonlab train ancestry FOLDER`: what a trained model came from, as text and as a picture.

Every model has beside its weights the record of how it was made (`training.json`), a stage has a
manifest as well. They name the models that went in and the way to them; where that leads to a
record again, the tree goes on.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from labs.manifest import MANIFEST

RECORD = "training.json"


@dataclass
class Ancestor:
    """A model or the data that went into one: `role` is what it did there (`policy`, `reward`,
    `data`, …), `title` and `notes` say what it is, `parents` what it came from. `key` is the same
    for the same model or data."""

    key: str
    role: str
    title: str
    notes: tuple[str, ...] = ()
    parents: list[Ancestor] = field(default_factory=list)

    def walk(self) -> Iterator[Ancestor]:
        """This one and all before it, each once."""
        seen: set[str] = set()
        waiting = [self]
        while waiting:
            one = waiting.pop(0)
            if one.key not in seen:
                seen.add(one.key)
                yield one
                waiting += one.parents

    def _repr_html_(self) -> str:
        from labs.ancestry_picture import as_svg

        return as_svg(self)


def ancestry(place: str | Path) -> Ancestor:
    """The ancestry of the model in a folder: that of its weights, the run folder around it, or the
    folder of a chain (of what its last stages made).

    Raises BadInput for a folder without a record, and for records that go round in a circle.
    """
    folder = Path(str(place).removeprefix("hf:"))
    stages = _last_stages(folder)
    if len(stages) == 1:
        folder = stages[0]
    elif stages:
        parents = [_model(one, one.parent.name, ()) for one in stages]
        return Ancestor(str(folder.resolve()), "model", f"{folder.name} · chain", (), parents)
    if not (folder / RECORD).is_file() and (folder / "model" / RECORD).is_file():
        folder = folder / "model"
    if not (folder / RECORD).is_file():
        raise BadInput(
            f"{folder} tells nothing of how it was made (no {RECORD}): name the folder of a model"
            " that was trained here, or of its run"
        )
    return _model(folder, "model", ())


def _last_stages(folder: Path) -> list[Path]:
    """The models of a chain's folder that went into no other of its stages."""
    records = {path.parent / "model": _read(path) for path in sorted(folder.glob(f"*/{MANIFEST}"))}
    used = {
        (place.parent / parent["path"]).resolve()
        for place, record in records.items()
        for parent in record.get("parents", {}).values()
        if "path" in parent
    }
    return [p for p in records if p.resolve() not in used and (p / RECORD).is_file()]


def _model(folder: Path, role: str, below: tuple[Path, ...]) -> Ancestor:
    """A model in a folder with a record, and what it came from. `below` are the models that it went
    into, for the way to it."""
    where = folder.resolve()
    if where in below:
        raise BadInput(f"the records of {folder} go round in a circle: one of them was changed")
    record, manifest = _read(folder / RECORD), _manifest(folder)
    name = manifest.get("stage") or (
        folder.parent.name if folder.name == "model" else folder.name
    )  # fmt: skip
    made = Ancestor(str(where), role, f"{name} · {_method(record)}", _notes(record))
    parents: dict[str, Mapping[str, Any]] = dict(_others(record))
    base = folder
    if isinstance(record.get("parent"), dict):
        parents["policy"] = record["parent"]
    for other, parent in manifest.get("parents", {}).items():
        path = parent.get("path")
        moved = {} if path is None else {"path": os.path.relpath(folder.parent / path, folder)}
        parents[other] = {**parents.get(other, {}), **parent, **moved}
    writer = parents.pop("writer", None)
    for other, parent in sorted(parents.items(), key=lambda item: item[0] != "policy"):
        made.parents.append(_parent(base, other, parent, (*below, where)))
    data = {**(record.get("data") or {}), **(manifest.get("data") or {})}
    if data:
        about = data.get("from")
        notes = [f"{data['rows']:,} rows"] if data.get("rows") else []
        notes += [f"hash {str(data['hash'])[:10]}"] if data.get("hash") else []
        notes += [f"{data['flops']:.1e} FLOPs"] if data.get("flops") else []
        one = Ancestor(f"data {data.get('hash')}", "data", about or "data", tuple(notes))
        if writer is not None:
            one.parents.append(_parent(base, "writer", writer, (*below, where)))
        made.parents.append(one)
    return made


def _parent(
    base: Path, role: str, parent: Mapping[str, Any], below: tuple[Path, ...]
) -> Ancestor:  # fmt: skip
    """What a record tells of a model that went in: followed where its record can be read and its
    weights are those that went in."""
    weights = parent.get("weights")
    title = str(parent.get("name") or parent.get("place") or role)
    folder = _folder(base, parent)
    if folder is not None and (folder / RECORD).is_file():
        if weights is None or weights_of(folder) == weights:
            return _model(folder, role, below)
        known = (f"weights {weights}", "changed since")
        return Ancestor(f"weights {weights}", role, title, known)
    notes = (f"weights {weights}",) if weights else ()
    return Ancestor(f"weights {weights}" if weights else f"{role} {title}", role, title, notes)


def _folder(base: Path, parent: Mapping[str, Any]) -> Path | None:
    """Where a model that went in is: as the record says, or the package's own of that name."""
    from reasoning import models

    own = Path(models.__file__).parent / "tiny" / str(parent.get("name") or parent.get("place"))
    path = parent.get("path")
    found = own if path is None else base / path
    return found if found.is_dir() else own if own.is_dir() else None


def _others(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The models beside the policy that a record names: tables with weights and a place."""
    for role, told in record.items():
        if role != "parent" and isinstance(told, dict) and {"place", "weights"} <= told.keys():
            yield role, told


def weights_of(folder: Path) -> str:
    """What tells the weights in a folder apart."""
    from reasoning.models.weights import weights_id

    return weights_id(str(folder), None)


def _method(record: Mapping[str, Any]) -> str:
    return str(record.get("method") or ("pretrained" if "plan" in record else "made"))


def _notes(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What is said of a model beneath its name: rate, seed, steps, what it spent."""
    recipe, notes = record.get("recipe") or record.get("settings") or {}, []
    curve = record.get("curve") or []
    steps = curve[-1].get("step") if curve and isinstance(curve[-1], dict) else recipe.get("steps")
    told = [("steps", steps), ("lr", recipe.get("lr")), ("seed", recipe.get("seed"))]
    first = ", ".join(f"{name} {value}" for name, value in told if value is not None)
    notes += [first] if first else []
    spent = record.get("spent") or {}
    if spent.get("flops"):
        teacher = f", others {spent['teacher']:.1e}" if spent.get("teacher") else ""
        notes.append(f"{spent['flops']:.1e} FLOPs{teacher}")
    return tuple(notes)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} is damaged ({error})") from error
    return found if isinstance(found, dict) else {}


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder.parent / MANIFEST
    return _read(path) if folder.name == "model" and path.is_file() else {}


def as_text(root: Ancestor) -> str:
    """The ancestry as an indented tree; what was told before is only named again."""
    lines: list[str] = []
    seen: set[str] = set()

    def tell(one: Ancestor, lead: str, rest: str, top: bool) -> None:
        head = one.title if top else f"{one.role}: {one.title}"
        again = one.key in seen and bool(one.parents)
        notes = "" if again or not one.notes else f"  ({'; '.join(one.notes)})"
        lines.append(lead + head + notes + ("  (see above)" if again else ""))
        if again:
            return
        seen.add(one.key)
        for at, parent in enumerate(one.parents):
            end = at == len(one.parents) - 1
            tell(parent, rest + ("└─ " if end else "├─ "), rest + ("   " if end else "│  "), False)

    tell(root, "", "", True)
    return "\n".join(lines)


def run(argv: Sequence[str]) -> int:
    """The command: the tree as text; with --save also as a picture (.svg) or a page (.html)."""
    made = argparse.ArgumentParser(
        "reasonlab train ancestry",
        description="What a trained model came from: methods, data, teachers, reward models.",
    )
    made.add_argument("folder", help="the folder of the model, or of its run")
    made.add_argument("--save", type=Path, metavar="FILE", help="draw it: FILE.svg or FILE.html")
    options = made.parse_args(list(argv))
    root = ancestry(options.folder)
    print(as_text(root))
    if options.save is not None:
        if options.save.suffix not in (".svg", ".html"):
            raise BadInput(f"--save {options.save}: the name must end in .svg or .html")
        from labs.ancestry_picture import as_svg

        svg = as_svg(root)
        if options.save.suffix == ".html":
            svg = f"<!doctype html><meta charset=utf-8><title>{escape(root.title)}</title>{svg}"
        options.save.write_text(svg, "utf-8")
        print(f"saved: {options.save}")
    return 0
