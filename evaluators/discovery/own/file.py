"""Reading the file of a problem: running it, its splits and limits, what is missing in it."""

from __future__ import annotations

import ast
import hashlib
import json
import linecache
import sys
import traceback
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from evaluators.discovery.base import SPLITS, Split
from evaluators.errors import BadInput
from evaluators.sandbox.outcome import Limits

REMEDIES = {
    "score": "def score(instance, answer): … return a number",
    "DIRECTION": 'DIRECTION = "maximise" or "minimise"',
    "train": "train = [...] (instances to evolve on)",
    "validation": "validation = [...] (instances to choose the best program on)",
    "held_out": "held_out = [...] (instances that only report)",
}


def read_source(path: str) -> str:
    """The text of the file. Raises BadInput, naming a file of a similar name."""
    file = Path(path)
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    except OSError as error:
        others = [p.name for p in file.parent.glob("*.py")] if file.parent.is_dir() else []
        near = [] if file.exists() else get_close_matches(file.name, others, n=1)
        hint = f"; did you mean {file.parent / near[0]}?" if near else ""
        raise BadInput(f"cannot read {path}: {error.strerror or error}{hint}") from error


def execute(path: str, source: str) -> ModuleType:
    """The file as a module, run on the trusted side. Its folder joins the import path.

    Raises BadInput for what it raises, with the line.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    module = ModuleType(f"own_{Path(path).stem}_{digest}")
    module.__file__ = path
    folder = str(Path(path).resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[module.__name__] = module  # dataclasses and pickle look it up
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        hint = "; put what ends the program under: if __name__ == '__main__'"
        hint = hint if isinstance(error, SystemExit) else ""
        if isinstance(error, NameError) and error.name == "evolve":
            hint = "; add: from evaluators.discovery import evolve"
        raise BadInput(
            f"{path}{line_in(error, path)}: {type(error).__name__}: {error}{hint}"
        ) from (error)
    return module


def line_in(error: BaseException, path: str) -> str:
    """`:LINE` of the file where the error came from, as far in as the file itself goes."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    return f":{lines[-1]}" if lines else ""


def require(path: str, source: str, module: ModuleType) -> None:
    """Raises BadInput for what the file lacks, naming a near miss and the remedy."""
    for name, remedy in REMEDIES.items():
        if hasattr(module, name):
            continue
        own = {n: line for n, line in defined(source).items() if n not in REMEDIES}
        near = get_close_matches(name.lower(), {n.lower() for n in own}, n=1, cutoff=0.75)
        for other, line in own.items():
            if near and other.lower() == near[0]:
                raise BadInput(f"{path}: {name} is missing; line {line} defines {other}: rename it")
        raise BadInput(f"{path}: {name} is missing: add {remedy}")


def defined(source: str) -> dict[str, int]:
    """The names that the file makes at top level, with their lines."""
    found: dict[str, int] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found[node.name] = node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    found[inner.id] = node.lineno
    return found


def read_limits(path: str, given: Any) -> Limits:
    """`LIMITS` as Limits. Raises BadInput for unknown fields and values that are none."""
    if isinstance(given, Limits):
        return given
    known = [f.name for f in fields(Limits)]
    if not isinstance(given, Mapping):
        raise BadInput(f"{path}: LIMITS must be a dictionary of {', '.join(known)}")
    for name, value in given.items():
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f" (known: {', '.join(known)})"
            raise BadInput(f"{path}: LIMITS has no {name!r}{hint}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise BadInput(f"{path}: LIMITS[{name!r}] must be a number above 0, not {value!r}")
    return Limits(**given)


def read_splits(path: str, module: ModuleType) -> dict[Split, dict[str, Any]]:
    """The instances of every split by name. Raises BadInput where a split is empty, not plain
    data, or shares an instance with another."""
    splits: dict[Split, dict[str, Any]] = {
        split: _read_split(path, module, split) for split in SPLITS
    }
    seen: dict[str, str] = {}
    for split, cases in splits.items():
        for name, instance in cases.items():
            text = json.dumps(instance, sort_keys=True)
            place = f"{split.replace('-', '_')}[{name!r}]"
            if text in seen:
                raise BadInput(
                    f"{path}: {place} and {seen[text]} are the same instance; a score on instances"
                    " seen before says nothing"
                )
            seen[text] = place
    return splits


def _read_split(path: str, module: ModuleType, split: Split) -> dict[str, Any]:
    attribute = split.replace("-", "_")
    given = getattr(module, attribute)
    if callable(given):
        try:
            given = given()
        except Exception as error:
            where = line_in(error, path)
            raise BadInput(
                f"{path}{where}: {attribute}() raised {type(error).__name__}: {error}"
            ) from error
    if isinstance(given, Mapping):
        cases = {str(name): instance for name, instance in given.items()}
    elif isinstance(given, list | tuple):
        cases = {f"{split}/{i}": instance for i, instance in enumerate(given)}
    else:
        raise BadInput(
            f"{path}: {attribute} must be a list or a dictionary of instances, or a function"
            f" without parameters that returns one, not {type(given).__name__}"
        )
    if not cases:
        raise BadInput(f"{path}: {attribute} has no instances")
    for name, instance in cases.items():
        try:
            json.dumps(instance, allow_nan=False, sort_keys=True)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadInput(
                f"{path}: {attribute}[{name!r}] is not plain data ({error}): use numbers, text,"
                " lists and dictionaries; .tolist() makes one of an array"
            ) from error
    return cases


def refuse_leak(path: str, carried: str, module: ModuleType, splits: Mapping[Split, Any]) -> None:
    """Raises BadInput where data of `carried`, the source that goes into the sandbox, holds an
    instance (one whose text is long enough not to be there by chance)."""
    names = [
        name.id
        for node in ast.parse(carried).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for name in ast.walk(node)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    ]
    for name in names:
        try:
            text = json.dumps(getattr(module, name, None), sort_keys=True)
        except (TypeError, ValueError, RecursionError):
            continue
        for split, cases in splits.items():
            for which, instance in cases.items():
                held = json.dumps(instance, sort_keys=True)
                if len(held) > 20 and held in text:
                    raise BadInput(
                        f"{path}: {name}, which goes into the sandbox, holds instance {which!r} of"
                        f" {split}: what solve uses may not know the instances"
                    )
