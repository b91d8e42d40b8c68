"""House rules that a linter does not know: short files, documented and typed public names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("evaluators", "reasoning", "search", "labs")
MODULES = sorted(f for name in PACKAGES for f in (ROOT / name).rglob("*.py"))
LINES = 300
LONGER: dict[str, str] = {}  # path -> why this file may be longer
BANNED = {"utils.py", "helpers.py", "common.py", "manager.py", "misc.py"}


def public(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    """Public functions of a module and of its public classes: name, node, whether a method."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in tree.body:
        if isinstance(node, functions) and not node.name.startswith("_"):
            if not any(ast.unparse(d).endswith("overload") for d in node.decorator_list):
                yield node.name, node, False
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                if isinstance(inner, functions) and not inner.name.startswith("_"):
                    yield f"{node.name}.{inner.name}", inner, True


def faults(source: str) -> list[str]:
    """What `source` lacks: a module docstring, return types, docstrings of public names.

    A method may go without a docstring: its class or protocol says what it does.
    """
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) or not tree.body else ["module: no docstring"]
    for name, node, method in public(tree):
        if node.returns is None:
            found.append(f"{name}: no return type")
        if not method and not ast.get_docstring(node):
            found.append(f"{name}: no docstring")
    for node in tree.body:
        private = getattr(node, "name", "_").startswith("_")
        if isinstance(node, ast.ClassDef) and not private and not ast.get_docstring(node):
            found.append(f"{node.name}: no docstring")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_public_names_are_typed_and_documented(path: Path) -> None:
    assert not faults(path.read_text())


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_grows_past_its_job(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LINES or str(path.relative_to(ROOT)) in LONGER, f"{lines} lines"
    assert path.name not in BANNED


def test_the_rule_sees_a_missing_docstring_and_type() -> None:
    source = '"""m"""\ndef f():\n    pass\nclass A:\n    def g(self): pass\n'
    assert faults(source) == [
        "f: no return type",
        "f: no docstring",
        "A.g: no return type",
        "A: no docstring",
    ]
