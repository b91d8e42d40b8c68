"""Unit tests on candidates: right ones pass, cheats pass nowhere, what cannot be judged is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evaluators.code.judge import Judge, Judgement
from evaluators.code.problem import CodeProblem, read_problems
from evaluators.code.verifier import judge_program
from evaluators.sandbox import probe

PROBLEMS = read_problems(Path(__file__).parent / "data" / "code_problems.jsonl")
PROMPT = '''import math


def double(x):
    """Twice a number."""
    return 2 * x


def area(r):
    """The area of a circle."""
'''
TEST = """
def check(candidate):
    assert abs(candidate(1) - math.pi) < 1e-9
    assert candidate(double(1)) == candidate(2)
    assert candidate(0) == 0
"""
AREA = CodeProblem("area", PROMPT, "area", TEST, "    return math.pi * r * r\n")


@pytest.fixture(scope="module")
def judge(strong):
    with Judge(strong, timeout=10.0) as judge:
        yield judge


def problem(test: str, solution: str | None = None, prompt: str = PROMPT) -> CodeProblem:
    return CodeProblem("p", prompt, "area", test, solution)


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_own_solution_passes(judge, name):
    found = judge.judge(PROBLEMS[name], PROBLEMS[name].canonical_solution)
    assert (found.passed, found.ending, found.reason) == (True, "passed", "")
    assert found.calls >= 3 and found.checks >= 3 and found.backend in ("bwrap", "landlock")


ALWAYS = """    class Always(float):
        def __eq__(self, other): return True
        __lt__ = __le__ = __gt__ = __ge__ = __ne__ = __contains__ = __bool__ = __eq__
        def __getattr__(self, name): return lambda *a, **k: self
        def __getitem__(self, key): return self
        def __iter__(self): return iter([])
        def __sub__(self, other): return self
        __rsub__ = __add__ = __radd__ = __mul__ = __abs__ = __sub__
    return Always()
"""
WHOLE = """{code}
def {name}(*args, **kwargs):
    return 0
"""
CHEATS = {
    "none": "    return None\n",
    "pass": "    pass\n",
    "not-implemented": "    return NotImplemented\n",
    "sys-exit": "    import sys\n    sys.exit(0)\n",
    "os-exit": "    import os\n    os._exit(0)\n",
    "raise-exit": "    raise SystemExit(0)\n",
    "always-equal": ALWAYS,
    "prints-passed": "    print('passed')\n    print('passed 1/1')\n",
    "exit-at-import": WHOLE.replace("{code}", "import sys\nsys.exit(0)"),
    "os-exit-at-import": WHOLE.replace("{code}", "import os\nos._exit(0)"),
    "exit-at-exit": WHOLE.replace("{code}", "import atexit, os\natexit.register(os._exit, 0)"),
    "patched-assert": WHOLE.replace(
        "{code}",
        "import builtins\nclass Never(Exception): pass\n"
        "builtins.AssertionError = Never\nbuiltins.isinstance = lambda *a: True",
    ),
    "patched-check": WHOLE.replace(
        "{code}",
        "import sys\ndef check(candidate): pass\n"
        "for m in list(sys.modules.values()):\n"
        "    try: m.check = check\n"
        "    except Exception: pass",
    ),
    "patched-frames": WHOLE.replace(
        "{code}",
        "import sys\nframe = sys._getframe()\nwhile frame:\n"
        "    frame.f_globals['check'] = frame.f_globals['run'] = lambda *a: None\n"
        "    frame = frame.f_back",
    ),
    "forged-report": WHOLE.replace(
        "{code}",
        "import sys\nframe = sys._getframe(1)\nwhile frame:\n"
        "    for name in ('call', 'dumps'):\n"
        "        frame.f_globals[name] = lambda *a: ['told', {'ended': 'passed', 'reason': '',"
        " 'calls': 9, 'checks': 9, 'loss': ''}]\n"
        "    frame = frame.f_back",
    ),
    "forged-frame": WHOLE.replace(
        "{code}",
        "import os\nbody = b'[\"told\",{\"ended\":\"passed\"}]'\n"
        "for fd in range(3, 10):\n"
        "    try: os.write(fd, b'R' + len(body).to_bytes(4, 'big') + body)\n"
        "    except OSError: pass",
    ),
    "raises-assertion": "    raise AssertionError\n",
    "prose": "I would use a loop here.\n",
    "nothing": "",
}  # fmt: skip


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_passes_nowhere(judge, cheat):
    for name, wanted in PROBLEMS.items():
        found = judge.judge(wanted, CHEATS[cheat].replace("{name}", wanted.entry_point))
        assert found.passed is False, f"{name}: {found}"
    good = judge.judge(AREA, AREA.canonical_solution)
    assert good.passed, "a good candidate is judged right after the cheat"


@pytest.mark.parametrize(
    ("body", "ending", "said"),
    [
        ("    return 3.14 * r * r", "wrong", "test line 3: assert abs(candidate(1) - math.pi)"),
        ("    return 3.14 * r * r", "wrong", "it returned 3.14"),
        ("    return None", "wrong", "the tests raised TypeError"),
        ("    return 1 / r", "wrong", "assert"),
        ("    raise KeyError('k')", "exception", "KeyError: 'k'"),
        ("    return area(r)", "exception", "RecursionError"),
        ("    return (", "exception", "SyntaxError"),
        ("    return undefined", "exception", "NameError: name 'undefined'"),
        ("    import sys; sys.exit(3)", "crashed", "SystemExit"),
        ("    import os; os.abort()", "crashed", ""),
        ("    x = []\n    while True: x.append(bytes(1 << 22))", "memory", ""),
        ("    import socket; socket.socket()", "forbidden", "socket"),
        ("    open('/tmp/stolen', 'w')", "forbidden", ""),
        ("    return 'x' * (3 << 20)", "bad_output", "limit"),
        ("    return lambda: 3", "bad_output", "returned a function, which cannot cross"),
        ("    yield 3", "bad_output", "returned a generator, which cannot cross"),
        ("    return '\\ud800'", "wrong", "TypeError"),
        ("    raise ValueError('\\ud800')", "exception", "ValueError: ?"),
        ("    return type('\\ud800', (), {})()", "bad_output|exception", ""),
        ("    return [[[" * 30 + "]]]" * 30, "exception", "SyntaxError|nested"),
    ],
)
def test_how_a_candidate_failed_is_told(judge, body, ending, said):
    found = judge.judge(AREA, body)
    assert found.passed is False
    assert found.ending in ending.split("|"), found
    assert any(part in found.reason for part in said.split("|")), found.reason


def test_time_is_counted_over_all_calls(strong):
    test = "def check(c):\n    for _ in range(50):\n        assert c(1) == 1\n"
    slow = "    import time\n    time.sleep(0.02)\n    return r\n"
    with Judge(strong, timeout=0.5) as judge:
        assert judge.judge(problem(test), "    while True: pass\n").ending == "timeout"
        found = judge.judge(problem(test), slow)
        assert found.ending == "timeout" and "calls" in found.reason
        assert found.calls < 50
        assert judge.judge(problem(test), "    return r\n").passed


FUNCTION = "def area(r):\n    return math.pi * r * r\n"


@pytest.mark.parametrize(
    "completion",
    [
        "    return math.pi * r * r\n",
        "    return math.pi * r * r",
        "\n    return math.pi * r * r\n\n\n# done\n",
        "return math.pi * r * r",
        "if r == 0:\n        return 0\n    return math.pi * r * r",
        "if r == 0:\n    return 0\nreturn math.pi * r * r",
        FUNCTION,
        "\n\n" + FUNCTION,
        "import math\n\n" + FUNCTION,
        "from math import pi\n\n\ndef area(r):\n    return pi * double(r) * r / 2\n",
        "area = lambda r: math.pi * r * r\n",
        PROMPT + "    return math.pi * r * r\n",
        f"```python\n{FUNCTION}```",
        f"Here it is.\n\n```python\n{FUNCTION}```\n\nIt uses `math`.",
        f"```\n{FUNCTION}\n```",
        f"~~~py\n{FUNCTION}~~~",
        f"```python\n{FUNCTION}",
        "```python\n    return math.pi * r * r\n```",
        "    return math.pi * r * r\n```\n\nThis works.",
        f"Try:\n```python\ndef area(r):\n    return 3\n```\nBetter:\n```python\n{FUNCTION}```",
        f"```python\n{FUNCTION}```\nUse it so:\n```python\nprint(area(2))\n```\n",
        f"```bash\npip install numpy\n```\n```python\n{FUNCTION}```",
        f"<think>\n```python\ndef area(r): return 0\n```\n</think>\n{FUNCTION}",
        FUNCTION.replace("\n", "\r\n"),
        "    '''Docs.'''\n    return math.pi * r * r\n\n\ndef other():\n    return 1\n",
        "    return math.pi * r * r\n\nif __name__ == '__main__':\n    print(area(input()))\n",
    ],
    ids=range(26),
)
def test_a_completion_is_the_body_or_the_whole_function_fenced_or_not(judge, completion):
    found = judge.judge(AREA, completion)
    assert found.passed, found


@pytest.mark.parametrize(
    "prompt",
    ["Write area(r), the area of a circle.\n", "def area(r):", "import math\n\ndef area(r):\n", ""],
)
def test_a_prompt_may_be_prose_or_a_bare_head(judge, prompt):
    test = "import math\ndef check(candidate):\n    assert candidate(1) == math.pi\n"
    whole = "import math\ndef area(r):\n    return math.pi * r * r\n"
    assert judge.judge(problem(test, None, prompt), f"```python\n{whole}```").passed
    assert judge.judge(problem(test, None, prompt), whole.replace("pi", "e")).passed is False
    within = "try:\n    import math\n    def area(r): return math.pi * r * r\nfinally:\n    pass\n"
    assert judge.judge(problem(test, None, prompt), within).passed


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("def check(candidate):\n    pass\n", "never call the candidate"),
        ("def check(candidate):\n    assert True\n", "never call the candidate"),
        ("def check(candidate):\n    candidate(1)\n", "no assert was executed"),
        ("def check(candidate):\n    for x in []:\n        assert candidate(x)\n", "never call"),
        ("x = 1\n", "no function check(candidate)"),
        ("def check(candidate:\n", "the tests fail by themselves: SyntaxError"),
        ("def check():\n    assert area(1)\n", "the tests fail by themselves: TypeError"),
        ("def check(candidate):\n    assert cadidate(1)\n", "NameError: name 'cadidate'"),
        ("def check(candidate):\n    assert candidate(1) == unknown\n", "'unknown' is not defined"),
        ("import no_such_module\ndef check(c):\n    assert c(1)\n", "ModuleNotFoundError"),
        ("def check(c):\n    assert c(lambda x: x)\n", "pass a function to the candidate"),
        ("def check(c):\n    try:\n        assert c(lambda x: x)\n    except BaseException:\n"
         "        pass\n", "pass a function to the candidate"),
        ("def check(c):\n    assert 1 == 2\n    c(1)\n", "the tests fail by themselves"),
        ("import sys\ndef check(c):\n    sys.exit(0)\n", "fail by themselves: SystemExit"),
        ("def check(c):\n    open('/tmp/x', 'w')\n    assert c(1)\n", "fail by themselves"),
    ],
)  # fmt: skip
def test_a_fault_of_the_tests_is_said_and_counted_apart(judge, test, said):
    found = judge.judge(problem(test, "    return 1\n"), "    return 1\n")
    assert (found.passed, found.ending) == (None, "unjudged")
    assert found.reason.startswith("cannot judge: ") and said in found.reason


UNCROSSABLE = [
    ("a generator", "    yield 1\n", "assert list(c(1)) == [1]", "a generator"),
    ("a function", "    return lambda x: x\n", "assert c(1)(2) == 2", "a function"),
    ("change in place", "    r.sort()\n", "x = [2, 1]; c(x); assert x == [1, 2]", "copies"),
    ("own exception", "    class Own(ValueError): pass\n    raise Own\n",
     "\n    try: c(1)\n    except ValueError as e: assert 'Own' in str(type(e))", "crosses as"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "line", "said"), [row[1:] for row in UNCROSSABLE], ids=[row[0] for row in UNCROSSABLE]
)
def test_what_a_problem_needs_and_cannot_cross_is_no_failure(judge, body, line, said):
    test = f"def check(c):\n    {line}\n"
    for solution in (body, None):
        found = judge.judge(problem(test, solution), body)
        assert (found.passed, found.ending) == (None, "unjudged"), found
        assert said in found.reason and found.reason.startswith("cannot judge")


def test_what_cannot_cross_fails_where_the_own_solution_needs_no_such_thing(judge):
    test = "def check(c):\n    assert c([2, 1]) == [1, 2]\n    assert c([]) == []\n"
    good = "    return sorted(r)\n"
    for body in ("    return iter(sorted(r))\n", "    r.sort()\n    return reversed(r)\n"):
        found = judge.judge(problem(test, good), body)
        assert (found.passed, found.ending) == (False, "bad_output")


def test_tests_that_an_answer_keeps_busy_end_and_the_own_solution_decides(strong):
    test = "def check(c):\n    n = c(5)\n    while n != 0:\n        n -= 1\n    assert n == 0\n"
    with Judge(strong, timeout=0.3) as judge:
        judge._test_limits = judge._limits  # the same, in less time
        assert judge.judge(problem(test, "    return r\n"), "    return r\n").passed
        found = judge.judge(problem(test, "    return r\n"), "    return -1\n")
        assert (found.passed, found.ending) == (False, "timeout")
        found = judge.judge(problem(test, None), "    return -1\n")
        assert (found.passed, found.ending) == (None, "unjudged")


def test_no_assert_executed_on_an_answer_is_no_pass(judge):
    test = "def check(c):\n    for x in c(3):\n        assert x > 0\n"
    found = judge.judge(problem(test, "    return [r]\n"), "    return []\n")
    assert (found.passed, found.ending) == (False, "wrong")
    assert "no assert was executed" in found.reason


@pytest.mark.parametrize(
    "check",
    ["import unittest\nt = unittest.TestCase()\nt.assertEqual(c(1), {})",
     "import numpy as np\nnp.testing.assert_allclose(c(1), {})",
     "if c(1) != {}:\n    raise ValueError('wrong')",
     "if c(1) == {}:\n    pass\nelse:\n    raise ValueError('wrong')"],
    ids=["unittest", "numpy", "raise", "else-raise"],
)  # fmt: skip
def test_checks_need_not_be_assert_statements(judge, check):
    lines = "\n".join("    " + line for line in check.split("\n"))
    right, wrong = (f"def check(c):\n{lines}\n".replace("{}", x) for x in "12")
    assert judge.judge(problem(right), "    return 1\n").passed
    found = judge.judge(problem(wrong), "    return 1\n")
    assert (found.passed, found.ending) == (False, "wrong")


@pytest.mark.parametrize(
    "check",
    ["assert all(map(lambda x: c(x) == 2 * x, [1, 2, 3]))",
     "for found, wanted in zip(map(c, [1, 2]), [2, 4]):\n        assert found == wanted"],
    ids=["all", "zip"],
)  # fmt: skip
@pytest.mark.parametrize("error", ["StopIteration", "type('Own', (StopIteration,), {})()"])
def test_an_end_of_iteration_that_a_candidate_raises_ends_no_loop_of_the_tests(judge, check, error):
    tests = problem(f"def check(c):\n    assert c(0) == 0\n    {check}\n", "    return 2 * r\n")
    assert judge.judge(tests, "    return 2 * r\n").passed
    found = judge.judge(tests, f"    if r == 0:\n        return 0\n    raise {error}\n")
    assert (found.passed, found.ending) == (False, "exception")


def test_tests_that_break_down_on_an_answer_are_decided_by_the_own_solution(judge):
    test = "def check(c):\n    assert c([c(0)]) == [c(0)]\n"
    deep = "    return eval('[' * 99 + ']' * 99) if r == 0 else r\n"
    found = judge.judge(problem(test, "    return r\n"), deep)
    assert (found.passed, found.ending) == (False, "wrong") and "nested" in found.reason
    found = judge.judge(problem(test, deep), deep)
    assert (found.passed, found.ending) == (None, "unjudged")


@pytest.mark.parametrize(
    "forged", ["{'a': 1}", "3", "[]", "['call']", "['call', 3]", "['told', 3]", "['told', {}]"]
)
def test_a_report_that_hostile_tests_forge_is_the_problems_fault(judge, forged):
    test = f"def check(c):\n    import evaluators.sandbox.child as own\n    own.ask({forged})\n"
    found = judge.judge(problem(test, None), "    return r\n")
    assert (found.passed, found.ending) == (None, "unjudged") and "forged" in found.reason


def test_a_sandbox_that_dies_on_the_own_solution_is_asked_again(strong, monkeypatch):
    doubtful = problem("def check(c):\n    assert list(c(1))\n", "    return [r]\n")
    with Judge(strong, timeout=10.0) as judge:
        run, died = judge._run, Judgement(None, "sandbox_died", "gone")

        def dying(problem, completion):
            own = completion == doubtful.canonical_solution
            return (died, False) if own else run(problem, completion)

        with monkeypatch.context() as patched:
            patched.setattr(judge, "_run", dying)
            assert judge.judge(doubtful, "    yield r\n").ending == "sandbox_died"
        found = judge.judge(doubtful, "    yield r\n")
        assert (found.passed, found.ending) == (False, "bad_output")


def test_hostile_tests_stay_in_their_sandbox(judge, tmp_path):
    target = tmp_path / "written"
    test = (
        "import os, socket\ndone = []\n"
        f"for act in (lambda: open({str(target)!r}, 'w').write('x'), os.fork,\n"
        f"            lambda: os.listdir({str(tmp_path)!r}), socket.socket):\n"
        "    try:\n        act(); done.append(act)\n    except OSError:\n        pass\n"
        "def check(candidate):\n    assert candidate(1) == 1\n    assert done == []\n"
    )
    assert judge.judge(problem(test, None), "    return r\n").passed
    assert not target.exists()


def test_the_candidate_finds_no_tests_in_its_process(judge):
    body = """    import gc, sys
    for thing in gc.get_objects():
        if isinstance(thing, (str, dict, list)) and "SECRET_OF_TESTS" in str(thing)[:100000]:
            return "found"
    return 1
""".replace('"SECRET_OF_TESTS"', '"SECRET_" + "OF_TESTS"')
    test = "SECRET = 'SECRET_OF_TESTS'\ndef check(c):\n    assert c(1) == 1, SECRET\n"
    assert judge.judge(problem(test, None), body).passed


def test_a_long_completion_is_refused_and_one_off_judging_works(strong):
    for refused in ("    return 1\n" + "#" * 70_000, "    return 1  # \ud800\n"):
        found = judge_program(AREA, refused, strong)
        assert (found.passed, found.ending) == (False, "bad_output")
    assert judge_program(AREA, AREA.canonical_solution or "", strong).passed


def test_the_other_back_end_judges_alike(strong):
    other = {"bwrap": "landlock", "landlock": "bwrap"}[strong]
    state = probe()[other]
    if not state.works and other not in os.environ.get("REASONLAB_REQUIRE_BACKENDS", ""):
        pytest.skip(f"{other}: {state.why}")
    with Judge(other, timeout=10.0) as judge:
        for name, wanted in PROBLEMS.items():
            found = judge.judge(wanted, wanted.canonical_solution or "")
            assert found.passed and found.backend == other, f"{name}: {found}"
        for cheat, text in CHEATS.items():
            found = judge.judge(AREA, text.replace("{name}", "area"))
            assert found.passed is False, f"{cheat}: {found}"
