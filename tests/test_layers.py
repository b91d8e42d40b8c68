"""Imports run one way: evaluators < reasoning < search < labs. Each imports itself or below."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("evaluators", "reasoning", "search", "labs")


def imported(source: str) -> set[str]:
    """Top-level names of every absolute import in `source`, inside functions and blocks too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def too_high(layer: str, source: str) -> set[str]:
    """Packages above `layer` (or the tests and benchmarks) that `source` imports."""
    above = set(LAYERS[LAYERS.index(layer) + 1 :]) | {"tests", "benchmarks"}
    return imported(source) & above


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_itself_and_below(layer: str) -> None:
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files, f"no modules found in {layer}"
    wrong = {str(f.relative_to(ROOT)): up for f in files if (up := too_high(layer, f.read_text()))}
    assert not wrong, f"imports that point upward: {wrong}"


def test_the_rule_sees_an_upward_import_inside_a_function() -> None:
    assert too_high("evaluators", "def f():\n    from search.compare import compare\n") == {
        "search"
    }
    assert too_high("reasoning", "import labs.cli") == {"labs"}
    assert too_high("search", "import tests.fakes, reasoning.core") == {"tests"}
    assert too_high("labs", "from search import compare") == set()
