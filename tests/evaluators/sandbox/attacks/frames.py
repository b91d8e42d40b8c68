"""Attacks on objects of the interpreter: frames, the collector, modules, what stays for the next."""

# ruff: noqa: E501 (lines of candidates)
from __future__ import annotations

from functools import partial

from attacks.case import SHORT, Attack, attack, patience

case = partial(attack, "frames")

STASH = """
STASHED = "@once@ in the source"

def attack(world):
    global kept
    kept = world["once"] + " in the arguments"
    {stash}
    return 1
"""
FIND = """
import gc, sys

def attack(world):
    {find}
"""


def relay(name: str, stash: str, find: str) -> Attack:
    """The first leaves something; the second, another program, shows it or says that it is there.

    `@once@` is a word of the first call alone: the second can only have it from the first.
    """
    return case(name, STASH.format(stash=stash), then=FIND.format(find=find))


SEARCH = """word, found = "once" + "-is-", []
    for thing in gc.get_objects():
        if isinstance(thing, (dict, list, tuple, set)):
            for part in (list(thing.values()) if isinstance(thing, dict) else list(thing)):
                if type(part) is str and word in part:
                    found.append(part[:999])
                elif type(part) is bytes and word.encode() in part:
                    found.append(part[:999].decode("latin-1"))
    return found"""

TAMPER = """
import gc, sys, types

def attack(world):
    changed = 0
    f = sys._getframe()
    while f:
        for scope in (f.f_globals, f.f_locals):
            {action}
        f = f.f_back
    return "changed"
"""


def tamper(name: str, action: str, **more: object) -> Attack:
    """Do something to the names of every calling frame; the answer is just an answer."""
    return case(name, TAMPER.format(action=action), **more)


PATCH = """
import builtins, json, math, struct, sys, os
import numpy

def attack(world):
    {patch}
    return 0
"""


def patch(
    name: str, text: str, verdicts: str = "ok exception bad_output crashed timeout memory"
) -> Attack:
    """Spoil something that the interpreter, the encoder or the next candidate uses."""
    return case(name, PATCH.format(patch=text), verdicts, limits=SHORT)


RAISE = """
{before}

def attack(world):
    raise {error}
"""


def raises(name: str, error: str, before: str = "", verdicts: str = "exception") -> Attack:
    """Raise something that is hard to report."""
    return case(name, RAISE.format(before=before, error=error), verdicts, limits=patience(verdicts))


ATTACKS: list[Attack] = [
    case(
        "walk-the-frames",
        """
        import sys

        def attack(world):
            found, f = [], sys._getframe()
            while f:
                found.append(repr(f.f_locals)[:20_000] + repr(f.f_globals)[:20_000])
                f = f.f_back
            return [text.replace(world["breach"], "") for text in found]
        """,
        "ok bad_output exception",
    ),
    case(
        "walk-the-collector",
        """
        import gc

        def attack(world):
            gc.unfreeze() if hasattr(gc, "unfreeze") else None
            for thing in gc.get_objects():
                if isinstance(thing, (dict, list, tuple)):
                    for part in (thing.values() if isinstance(thing, dict) else thing):
                        if isinstance(part, (str, bytes)) and "canary" in str(part)[:99] and "-is-" in str(part)[:99]:
                            return str(part)
        """,
    ),
    case(
        "open-files-of-the-collector",
        """
        import gc, io

        def attack(world):
            found = []
            for thing in gc.get_objects():
                if isinstance(thing, io.IOBase):
                    try:
                        found.append(str(thing.read(999)))
                    except Exception:
                        pass
            return found
        """,
        limits=SHORT,
    ),
    case(
        "modules-of-the-evaluator",
        """
        import sys

        def attack(world):
            hidden = [m for m in sys.modules if m.split(".")[0] in ("reasoning", "search", "labs")
                      or m.startswith(("evaluators.tasks", "evaluators.discovery"))]
            return hidden and world["breach"] + str(hidden)
        """,
    ),
    relay(
        "stash-in-builtins",
        "import builtins; builtins.kept = STASHED",
        "return getattr(builtins, 'kept', '') and world['breach']",
    ),
    relay(
        "stash-in-modules",
        "import sys; sys.modules['kept'] = STASHED",
        "return 'kept' in sys.modules and world['breach']",
    ),
    relay(
        "stash-in-the-environment",
        "import os; os.environ['KEPT'] = STASHED",
        "return 'KEPT' in os.environ and world['breach']",
    ),
    relay(
        "stash-in-a-descriptor",
        "import os; r, w = os.pipe(); os.write(w, b'kept'); [os.dup2(r, n) for n in range(20, 30)]",
        "os.set_blocking(25, False); return os.read(25, 4) == b'kept' and world['breach']",
    ),
    relay(
        "stash-in-memory-file",
        "import os; os.write(os.memfd_create('kept'), b'x')",
        "return any('memfd:kept' in os.readlink('/proc/self/fd/' + n) for n in os.listdir('/proc/self/fd')) and world['breach']",
    ),
    relay("words-of-the-one-before", "pass", SEARCH),
    relay(
        "source-of-the-one-before",
        "import linecache, sys; sys.modules['kept'] = STASHED",
        """import linecache
    texts, f = [str(v) for v in linecache.cache.values()], sys._getframe(1)
    while f:
        texts.append(repr(f.f_locals)[:9000] + repr(f.f_code.co_consts))
        f = f.f_back
    return [text.replace(world["breach"], "") for text in texts]""",
    ),
    relay(
        "lines-of-the-one-before",
        "import linecache; linecache.cache['kept'] = (1, None, [STASHED], 'kept')",
        "import linecache; return 'kept' in linecache.cache and world['breach']",
    ),
    relay(
        "stash-in-random-state",
        "import numpy; numpy.random.seed(7); numpy.random.rand(5)",
        "import numpy; s = numpy.random.get_state(); return s[2] == 10 and s[1][0] == 7 and world['breach']",
    ),
    relay(
        "audit-hook-left",
        "import sys; sys.addaudithook(lambda e, a: print(world['breach']))",
        "compile('1', 'x', 'eval'); return 0",
    ),
    relay(
        "import-hook-left",
        "import sys; sys.meta_path.insert(0, print); sys.path_hooks.insert(0, print)",
        "return print in sys.meta_path and world['breach']",
    ),
    relay(
        "trace-left",
        "import sys; sys.settrace(lambda *a: None); sys.setprofile(lambda *a: None)",
        "return (sys.gettrace() or sys.getprofile()) and world['breach']",
    ),
    tamper(
        "spoil-callers-names",
        "\n            for name in list(scope):\n                if name not in ('world', 'f', 'scope', 'sys', 'name', '__builtins__'):\n                    scope[name] = None",
    ),
    tamper(
        "replace-callers-functions",
        "\n            for name, held in list(scope.items()):\n                if isinstance(held, types.FunctionType) and held is not attack:\n                    scope[name] = lambda *a, **k: {'verdict': 'ok', 'score': 1e9}",
    ),
    tamper(
        "replace-callers-code",
        "\n            for held in list(scope.values()):\n                if isinstance(held, types.FunctionType) and held is not attack and not held.__code__.co_freevars:\n                    held.__code__ = (lambda *a, **k: 1e9).__code__",
    ),
    tamper("clear-callers", "scope.clear() if scope is not globals() else None"),
    tamper(
        "change-callers-numbers",
        "\n            for name, held in list(scope.items()):\n                if type(held) in (int, float):\n                    scope[name] = type(held)(1 << 40)",
    ),
    case(
        "tamper-by-the-collector",
        """
        import gc, types

        def attack(world):
            for thing in gc.get_objects():
                if isinstance(thing, types.FunctionType) and thing.__module__ and "sandbox" in thing.__module__:
                    try:
                        thing.__code__ = (lambda *a, **k: b"forged").__code__
                    except ValueError:
                        pass
            return 1
        """,
    ),
    case(
        "answer-early",
        """
        from evaluators.sandbox import child

        def attack(world):
            child.ask(1e9)
            while True:
                child.ask(2e9)
        """,
        limits=SHORT,
    ),
    case(
        "import-the-evaluator-anew",
        """
        import sys

        def attack(world):
            for name in list(sys.modules):
                if name.startswith("evaluators"):
                    del sys.modules[name]
            sys.path.insert(0, world["project"])
            import evaluators.tasks
            return world["breach"]
        """,
    ),
    case(
        "replace-main",
        """
        import sys

        def attack(world):
            for name in list(sys.modules):
                if "sandbox" in name or name == "__main__":
                    sys.modules[name].__dict__.clear()
            return 1
        """,
    ),
    patch("patch-len", "builtins.len = lambda x: 0"),
    patch("patch-types", "builtins.isinstance = lambda *a: True; builtins.type = lambda *a: float"),
    patch(
        "patch-json", "json.dumps = json.JSONEncoder.encode = lambda *a, **k: '{\"score\": NaN}'"
    ),
    patch("patch-struct", "struct.pack = lambda *a: b'\\xff' * 8"),
    patch("patch-write", "os.write = lambda *a: 0; os.writev = lambda *a: 0"),
    patch("patch-numpy", "numpy.sum = numpy.asarray = numpy.ndarray = lambda *a, **k: 0"),
    patch("patch-exit", "os._exit = lambda *a: None; sys.exit = os._exit"),
    patch("patch-import", "builtins.__import__ = lambda *a, **k: math"),
    patch("patch-math", "math.isfinite = lambda x: True; float.__eq__"),
    patch("delete-builtins", "builtins.__dict__.clear()"),
    patch("delete-modules", "sys.modules.clear()"),
    patch(
        "no-more-imports",
        "sys.path.clear(); sys.meta_path.clear(); sys.path_importer_cache.clear()",
    ),
    patch(
        "collector-without-end",
        "import gc; gc.set_threshold(1); gc.callbacks.append(lambda *a: [[] for _ in range(100)])",
    ),
    patch(
        "slow-clock",
        "import time; time.monotonic = time.time = time.perf_counter = lambda: 0.0; time.sleep(30)",
        "timeout",
    ),
    raises("exception-that-shouts", "ValueError('x' * 50_000_000)"),
    raises(
        "exception-that-hides",
        "Odd()",
        "class Odd(Exception):\n    def __str__(self): raise Odd()\n    __repr__ = __str__\n",
        "exception crashed",
    ),
    raises(
        "exception-that-hangs",
        "Odd()",
        "class Odd(Exception):\n    def __str__(self):\n        while True: pass\n    __repr__ = __str__\n",
        "exception timeout",
    ),
    raises(
        "exception-that-returns-numbers",
        "Odd()",
        "class Odd(Exception):\n    def __str__(self): return 5\n    __repr__ = __str__\n",
    ),
    raises("exception-beyond-exceptions", "Odd('x')", "class Odd(BaseException):\n    pass\n"),
    raises(
        "exception-with-a-false-class",
        "Odd('x')",
        "class Meta(type):\n    __name__ = property(lambda c: 1 / 0)\n    __module__ = property(lambda c: 1 / 0)\nclass Odd(Exception, metaclass=Meta):\n    pass\n",
        "exception crashed",
    ),
    raises(
        "exception-with-false-frames",
        "Odd('x')",
        "class Odd(Exception):\n    __traceback__ = property(lambda s: 7)\n    __cause__ = property(lambda s: s)\n    __context__ = property(lambda s: s)\n",
        "exception crashed",
    ),
    raises("interrupt", "KeyboardInterrupt"),
    raises("stop-iteration", "StopIteration(5)"),
    raises("generator-exit", "GeneratorExit"),
    raises("false-memory-error", "MemoryError('none left')", "", "exception memory"),
    raises("false-timeout", "TimeoutError('late')"),
    raises(
        "group-of-exceptions",
        "make()",
        "def make():\n    e = ValueError('x')\n    for _ in range(2000):\n        e = ExceptionGroup('g', [e])\n    return e\n",
        "exception crashed",
    ),
]
