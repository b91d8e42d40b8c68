import importlib
import os
import sys
import time
from dataclasses import dataclass
from functools import partial

import pytest

from evaluators import load_task
from reasoning.data import code
from reasoning.data.code import code_of, kinds, models_of, reach

LONG_AGO = time.time() - 9999


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes modules of a package and imports its first: judge -> reading -> deeper."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(code, "_LOADED", time.time())
    place = tmp_path / "ownjudge"
    place.mkdir()
    stamp = iter(range(10_000))

    def write(edited=None, **texts):
        modules = {
            "__init__": "", "judge": "from ownjudge.reading import x\nclass J: pass\n",
            "reading": "def f():\n    from . import deeper\nx = 1\n", "deeper": "y = 2\n",
            "beside": "z = 3\n", **texts,
        }  # fmt: skip
        for name, text in modules.items():
            (place / f"{name}.py").write_text(text)
            at = LONG_AGO + next(stamp)
            os.utime(place / f"{name}.py", (at, time.time() + 50 if name == edited else at))
        for name in [n for n in sys.modules if n.startswith("ownjudge")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return importlib.import_module("ownjudge.judge").J()

    yield write
    for name in [n for n in sys.modules if n.startswith("ownjudge")]:
        del sys.modules[name]


def test_the_same_code_has_the_same_hash(package):
    assert code_of([package()]) == code_of([package()]) is not None


@pytest.mark.parametrize(
    ("module", "text", "differs"),
    [
        ("judge", "from ownjudge.reading import x\nclass J: n = 1\n", True),
        ("reading", "def f():\n    from . import deeper\nx = 2\n", True),
        ("deeper", "y = 3\n", True),
        ("beside", "z = 4\n", False),
    ],
)
def test_a_change_anywhere_below_counts_and_beside_it_does_not(package, module, text, differs):
    before = code_of([package()])
    assert (code_of([package(**{module: text})]) != before) == differs


def test_a_file_that_was_edited_after_the_start_cannot_be_told(package):
    assert code_of([package(edited="deeper")]) is None
    assert code_of([package(edited="beside")]) is not None


def test_a_class_without_source_cannot_be_told():
    space = {"__name__": "nowhere"}
    exec("class Made: pass", space)
    assert code_of([space["Made"]()]) is None


def test_the_closure_holds_what_the_verifier_reads_with():
    task, found = load_task("expressions", n=0), {}
    module = sys.modules[type(task).__module__]
    from pathlib import Path

    reach(module.__name__, Path(module.__file__), found)
    names = set(found.values())
    assert {"evaluators.tasks.chains", "evaluators.tasks.arithmetic", "evaluators.answers"} <= names
    assert not any(name.startswith(("search", "labs")) for name in names)


@dataclass(frozen=True)
class Inner:
    pass


@dataclass(frozen=True)
class Outer:
    scorer: object
    others: tuple = ()
    problems: tuple = ()


def test_the_objects_in_settings_count_problems_do_not():
    class Model:
        def fingerprint(self):
            return {"name": "m"}

    model = Model()
    thing = Outer(Inner(), ({"a": Outer(model)},), problems=(Model(),))
    assert set(kinds(thing)) == {Outer, Inner, Model}
    assert models_of(thing) == [model]


def test_a_function_in_the_settings_counts_with_what_it_closes_over(package):
    def rule(digit):
        return lambda text: digit in text

    def judged(**texts):
        package(**texts)
        return Outer(importlib.import_module("ownjudge.beside").judge)

    seven = "def judge(text):\n    return '7' in text\n"
    before = code_of([judged(beside=seven)])
    assert before == code_of([judged(beside=seven)]) is not None
    assert before != code_of([judged(beside=seven.replace("7", "8"))])
    assert code_of([Outer(rule("7"))]) == code_of([Outer(rule("7"))])
    assert code_of([Outer(rule("7"))]) != code_of([Outer(rule("8"))])
    assert code_of([Outer(partial(rule, digit="7"))]) != code_of([Outer(partial(rule, digit="8"))])


def test_what_a_plain_object_holds_counts():
    class Strict:
        def __init__(self, least, inner=None):
            self.least, self.inner = least, inner

    assert code_of([Outer(Strict(1))]) == code_of([Outer(Strict(1))])
    assert code_of([Outer(Strict(1))]) != code_of([Outer(Strict(2))])
    assert code_of([Strict(1, Strict(1))]) != code_of([Strict(1, Strict(2))])
    assert code_of([Strict(1, [2])]) != code_of([Strict(1, [3])])
