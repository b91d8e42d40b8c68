"""Answers as models give them, and the program that each must become."""

import ast
import subprocess
import sys
import textwrap
import time

import pytest

from search.evolve.assemble import Wanted
from search.evolve.parse import read
from search.evolve.response import LONGEST, cleaned, idea

V0 = "def priority_v0(item, remaining):\n    return 0"
V1 = (
    "import math\n\n\n"
    "def _fit(gap):\n    return math.sqrt(gap)\n\n\n"
    "def priority_v1(item, remaining):\n    return -_fit(remaining - item)"
)
WANTED = Wanted(
    "priority", 2, "def priority_v2(item, remaining):", 2, (V0, V1), frozenset({"np", "SIZES"})
)
PLAIN = "def priority(item, remaining):\n    return item - remaining\n"
ASKED = "def priority_v2(item, remaining):\n    return item - remaining\n"


def same(source: str, expected: str) -> bool:
    """Whether both are the same program, comments and layout aside."""
    return ast.dump(ast.parse(source)) == ast.dump(ast.parse(textwrap.dedent(expected)))


USED = {
    "bare": (ASKED, PLAIN),
    "fence": (f"```python\n{ASKED}```", PLAIN),
    "fence without a language": (f"```\n{ASKED}```", PLAIN),
    "fence with a title": (f'```py title="best.py"\n{ASKED}```', PLAIN),
    "tildes": (f"~~~python\n{ASKED}~~~", PLAIN),
    "four marks": (f"````\n{ASKED}````", PLAIN),
    "unclosed fence": (f"Here you are:\n```python\n{ASKED}", PLAIN),
    "fence in a list": (
        "1. So:\n   ```python\n   def priority_v2(item, remaining):\n"
        "       return item - remaining\n"
        "   ```\n",
        PLAIN,
    ),
    "quoted": (
        "> ```python\n> def priority_v2(item, remaining):\n>     return item - remaining\n> ```",
        PLAIN,
    ),
    "Windows line ends": (f"```python\n{ASKED}```".replace("\n", "\r\n"), PLAIN),
    "spaces that do not break": (ASKED.replace("    ", "\u00a0" * 4), PLAIN),
    "prose before and after": (
        f"Sure! Here's it (see below):\n\n{ASKED}\nIt's better, isn't it? Note: untested",
        PLAIN,
    ),
    "indented prose after": (f"{ASKED}    Hope this helps!\n", PLAIN),
    "several fences, the last counts": (
        f"First:\n```python\n{ASKED.replace('item -', '2 *')}```\nBetter:\n```python\n{ASKED}```",
        PLAIN,
    ),
    "a fence of another language": (
        f"```bash\npip install numpy\n```\n```python\n{ASKED}```\n```text\n3.1\n```",
        PLAIN,
    ),
    "a broken second fence": (f"```python\n{ASKED}```\n```python\nassert priority(\n```", PLAIN),
    "own name": (f"```python\n{PLAIN}```", PLAIN),
    "a later version": (ASKED.replace("_v2", "_v3"), PLAIN),
    "another name": (ASKED.replace("priority_v2", "improved"), PLAIN),
    "repeats the versions": (f"```python\n{V0}\n\n\n{V1}\n\n\n{ASKED}```", PLAIN),
    "thinking": (f"<think>\ndef priority_v2(a, b): return 1\n</think>\n{ASKED}", PLAIN),
    "thinking twice": (f"<think>a</think>\n{ASKED}\n<think>b</think>Done.", PLAIN),
    "thinking that the template began": (f"hm, maybe\n```\nx\n```\n</think>\n{ASKED}", PLAIN),
    "typed": (
        "from __future__ import annotations\n"
        "def priority_v2(item: int, remaining: List[int]) -> np.ndarray:\n    return item",
        "from typing import List\n"
        "def priority(item: int, remaining: List[int]) -> np.ndarray:\n    return item",
    ),
    "tabs": (
        "def priority_v2(item, remaining):\n\tif item:\n\t\treturn 1\n\treturn 2\n",
        "def priority(item, remaining):\n    if item:\n        return 1\n    return 2\n",
    ),
    "imports, constants and helpers it needs": (
        "```python\nimport math, os\nimport sys\nA = 3\nB = 4\ndef gap(a, b):\n    return a - b\n"
        "def unused():\n    return os\n"
        "def priority_v2(item, remaining):\n    return gap(math.log(item), A)\n```",
        """
        import math, os
        A = 3
        def gap(a, b):
            return a - b
        def priority(item, remaining):
            return gap(math.log(item), A)
        """,
    ),
    "a helper after it": (
        "def priority_v2(item, remaining):\n    return late(item)\n\ndef late(x):\n    return x\n",
        "def late(x):\n    return x\ndef priority(item, remaining):\n    return late(item)\n",
    ),
    "a table filled by a loop": (
        "T = {}\nfor i in range(9):\n    T[i] = i * i\n\n" + ASKED.replace("item -", "T[3] -"),
        "T = {}\nfor i in range(9):\n    T[i] = i * i\n\n" + PLAIN.replace("item -", "T[3] -"),
    ),
    "try-outs": (
        f"```python\n{ASKED}\nx = np.arange(3)\nprint(priority_v2(1, x))\n"
        'if __name__ == "__main__":\n    assert priority_v2(1, 1) == 0\n```',
        PLAIN,
    ),
    "helpers in another fence": (
        f"```python\ndef gap(a):\n    return a\n```\nand\n```python\n"
        f"{ASKED.replace('item -', 'gap(item) -')}```",
        f"def gap(a):\n    return a\n{PLAIN.replace('item -', 'gap(item) -')}",
    ),
    "an import it forgot": (
        "def priority_v2(item, remaining):\n    return math.exp(-item)",
        "import math\ndef priority(item, remaining):\n    return math.exp(-item)",
    ),
    "names of the skeleton": (
        "def priority_v2(item, remaining):\n    return np.where(SIZES, 1, 0)",
        "def priority(item, remaining):\n    return np.where(SIZES, 1, 0)",
    ),
    "calls a version": (
        "def priority_v2(item, remaining):\n    return 2 * priority_v1(item, remaining)",
        """
        import math
        def _fit(gap):
            return math.sqrt(gap)
        def priority_base(item, remaining):
            return -_fit(remaining - item)
        def priority(item, remaining):
            return 2 * priority_base(item, remaining)
        """,
    ),
    "calls both": (
        "def priority_v2(item, remaining):\n"
        "    return priority_v1(item, remaining) + priority_v0(item, remaining)",
        """
        import math
        def priority_base(item, remaining):
            return 0
        def _fit(gap):
            return math.sqrt(gap)
        def priority_base2(item, remaining):
            return -_fit(remaining - item)
        def priority(item, remaining):
            return priority_base2(item, remaining) + priority_base(item, remaining)
        """,
    ),
    "uses a helper of a version": (
        "def priority_v2(item, remaining):\n    return _fit(remaining)",
        """
        import math
        def _fit(gap):
            return math.sqrt(gap)
        def priority(item, remaining):
            return _fit(remaining)
        """,
    ),
    "its own helper goes before a version's": (
        "def _fit(x):\n    return x\ndef priority_v2(item, remaining):\n    return _fit(remaining)",
        "def _fit(x):\n    return x\ndef priority(item, remaining):\n    return _fit(remaining)",
    ),
    "recursion": (
        "def priority_v2(item, remaining):\n"
        "    return 1 if item < 2 else priority_v2(item - 1, remaining)",
        "def priority(item, remaining):\n"
        "    return 1 if item < 2 else priority(item - 1, remaining)",
    ),
    "a local variable of its name": (
        "def priority_v2(item, remaining):\n    priority = item\n    return priority",
        "def priority(item, remaining):\n    priority = item\n    return priority",
    ),
    "a method": (
        "class Heuristic:\n    def __init__(self):\n        pass\n"
        "    def priority_v2(self, item, remaining):\n        return item - remaining\n",
        PLAIN,
    ),
    "a static method": (
        "class Heuristic:\n    @staticmethod\n    def priority(item, remaining):\n"
        "        return item - remaining\n",
        PLAIN,
    ),
    "a class it uses": (
        "class Gap:\n    def of(self, a):\n        return a\n\n"
        "def priority_v2(item, remaining):\n    return Gap().of(item)",
        "class Gap:\n    def of(self, a):\n        return a\n\n"
        "def priority(item, remaining):\n    return Gap().of(item)",
    ),
    "the mark of the skeleton": (f"@funsearch.evolve\n{ASKED}", PLAIN),
    "a decorator": (
        f"import functools\n@functools.cache\n{ASKED}",
        f"import functools\n@functools.cache\n{PLAIN}",
    ),
    "async that waits for nothing": (f"async {ASKED}", PLAIN),
    "the body alone": (
        "```python\ngap = item - remaining\nreturn gap\n```",
        "def priority(item, remaining):\n    gap = item - remaining\n    return gap",
    ),
    "another signature that can be called so": (
        "def priority_v2(item, remaining, k=2):\n    return k",
        "def priority(item, remaining, k=2):\n    return k",
    ),
    "brackets over several lines": (
        "W = [\n1,\n2,\n]\nSo:\ndef priority_v2(\n    item,\n    remaining,\n):\n    return W[0]",
        "W = [1, 2]\ndef priority(item, remaining):\n    return W[0]",
    ),
    "a text over several lines": (
        'def priority_v2(item, remaining):\n    """Gap.\n\nAt the margin.\n"""\n'
        "    return 1\nDone.",
        'def priority(item, remaining):\n    """Gap.\n\nAt the margin.\n"""\n    return 1\n',
    ),
}


@pytest.mark.parametrize(("answer", "expected"), USED.values(), ids=USED)
def test_a_usable_answer_becomes_this_program(answer, expected):
    found = read(answer, WANTED)
    assert found.source is not None, found.reason
    assert same(found.source, expected), found.source


REFUSED = {
    "nothing": ("", "no code"),
    "prose": ("I cannot help with that.", "no function priority_v2"),
    "thinking without end": (f"<think>\n{ASKED}", "no code"),
    "another language": (f"```javascript\n{ASKED.replace('def', 'function')}```", "no function"),
    "not closed": ("```python\ndef priority_v2(item, remaining):\n    return (item\n```", "line"),
    "an unknown version": (
        "def priority_v2(item, remaining):\n    return priority_v7(item, remaining)",
        "calls priority_v7, which was not among",
    ),
    "its name where it has another": (
        "def priority_v2(item, remaining):\n    return priority(item, remaining)",
        "calls priority, which was not among",
    ),
    "three parameters": ("def priority_v2(item, remaining, k):\n    return k", "takes 3 arguments"),
    "one parameter": ("def priority_v2(item):\n    return item", "takes 1 arguments"),
    "a method with an object": (
        "class A:\n    def priority_v2(self, item, remaining):\n        return self.k",
        "uses its object",
    ),
    "async that waits": (
        "async def priority_v2(item, remaining):\n    return await item",
        "async and awaits",
    ),
    "no return": ("def priority_v2(item, remaining):\n    print(item)", "returns nothing"),
    "a clash": (
        "def priority_v2(item, remaining):\n"
        "    priority = 1\n    return priority_v2(item, priority)",
        "cannot be renamed: line 3 has a local variable named 'priority'",
    ),
    "two strangers": (
        "def one(item, remaining):\n    return 1\ndef two(item, remaining):\n    return 2\n",
        "no function priority_v2",
    ),
    "a broken middle": (
        "def priority_v2(item, remaining):\n    if item:\n        return 1\n    x = = 3\n"
        "    return x",
        "breaks off, inside",
    ),
    "too long": (ASKED + "#" * 70000, "no function|longer than"),
    "too long to read at all": ("x" * (LONGEST + 1), "is not read"),
    "too deep": (f"def priority_v2(item, remaining):\n    return {'(' * 200}1{')' * 200}", "deep"),
    "zero bytes": ("def priority_v2(item, remaining):\n    return '\x00'", "no Python"),
}


@pytest.mark.parametrize(("answer", "reason"), REFUSED.values(), ids=REFUSED)
def test_an_unusable_answer_is_refused_with_its_reason(answer, reason):
    found = read(answer, WANTED)
    assert found.source is None
    assert any(part in found.reason for part in reason.split("|")), found.reason


CUT = {
    "inside the function": ("def priority_v2(item, remaining):\n    x = 1\n    y = x", None),
    "after a branch": (
        "def priority_v2(item, remaining):\n    if item:\n        return 1\n    x = 2\n    ret",
        None,
    ),
    "inside the last line": (ASKED.rstrip(), None),
    "after the last line": (ASKED, PLAIN),
    "inside a comment after the return": (ASKED + "    # and n", PLAIN),
    "inside the next function": (f"{ASKED}\n\ndef other(x):\n    retu", PLAIN),
    "inside prose after the fence": (f"```python\n{ASKED}```\nThis is bet", PLAIN),
}


@pytest.mark.parametrize(("answer", "expected"), CUT.values(), ids=CUT)
def test_of_a_cut_answer_only_a_function_that_is_whole_counts(answer, expected):
    found = read(answer, WANTED, cut=True)
    if expected is None:
        assert found.source is None and "inside the function" in found.reason
    else:
        assert found.source is not None and same(found.source, expected)


CONTINUED = {
    "indented": ("    gap = item - remaining\n    return gap\n", True),
    "the first margin taken away": ("gap = item - remaining\n    return gap\n", True),
    "all margins taken away": ("gap = item - remaining\nreturn gap\n", True),
    "then more": ("    gap = item - remaining\n    return gap\n\n\nx = 3\ndef f():\n  (", True),
    "the header again": (f"```python\n{ASKED}```", True),
    "no return": ("    gap = item - remaining\n", False),
}


@pytest.mark.parametrize(("answer", "used"), CONTINUED.values(), ids=CONTINUED)
def test_a_continuation_is_the_body_of_the_function(answer, used):
    found = read(answer, WANTED, continued=True)
    body = "def priority(item, remaining):\n    gap = item - remaining\n    return gap"
    assert (found.source is not None) == used, found.reason
    if found.source is not None:
        assert same(found.source, body) or same(found.source, PLAIN)


def test_comments_and_layout_are_kept():
    answer = "```python\n# the gap\ndef priority_v2(item, remaining):  # v2\n    return (item)\n```"
    expected = "# the gap\ndef priority(item, remaining):  # v2\n    return (item)\n"
    assert read(answer, WANTED).source == expected


def test_what_is_read_is_read_again_as_the_same_program():
    for answer, _ in USED.values():
        once = read(answer, WANTED).source or ""
        again = read(once, WANTED).source or ""
        assert same(again, once)


def test_deep_and_long_texts_end_in_a_reason_and_not_in_a_crash():
    # In a process of its own: what is guarded against is a segmentation fault.
    script = """
from search.evolve.assemble import Wanted
from search.evolve.parse import read
import threading
wanted = Wanted("f", 1, "def f_v1(x):", 1)
n = 60000
bads = ("(" * n, "[" * n, "1+" * (n // 2) + "1", "-" * n + "1", "not " * (n // 4) + "1",
            "a" + ".b" * (n // 2), "f" + "()" * (n // 2), "2**" * (n // 3) + "2",
            "1 if x else " * (n // 12) + "1", "lambda x:" * (n // 9) + "1", "await " * 9999 + "1",
            "(1" + "\\n+1" * (n // 3) + ")", "x" + "[0]" * (n // 3), "9" * n)
def all_of_them():
    for bad in bads:
        found = read("def f_v1(x):\\n    return " + bad, wanted)
        assert found.source is None and found.reason, bad[:9]
    print("alive")
all_of_them()
thread = threading.Thread(target=all_of_them)  # where a run's event loop lives
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "alive\nalive\n", done.stderr


LONG = {
    "blank lines": "\n" * 200_000,
    "blank lines in a fence": "```\n" + "\n" * 200_000 + "return",
    "thoughts that never end": "<think>" * 30_000,
    "fences": "```\n~~~\n" * 30_000,
    "spaces": (" " * 60_000 + "\n") * 4,
    "names": "a" * 60_000 + "\n" + "lambda " * 9_000,
    "marks": "@a\n" * 20_000,
    "signs": ("-" * 39 + "1\n") * 1_500,
}


@pytest.mark.parametrize("answer", LONG.values(), ids=LONG)
def test_a_long_answer_is_read_in_time_that_grows_with_its_length(answer):
    began = time.process_time()
    assert read(answer, WANTED).source is None
    assert time.process_time() - began < 30  # of the processor; quadratic would be minutes


def test_the_idea_is_the_first_paragraph_before_the_code():
    assert idea(f"I prefer\ntight bins.\n\nMore.\n```python\n{ASKED}```") == (
        "I prefer tight bins."
    )
    assert idea(f"```python\n{ASKED}```") == ""
    assert idea(cleaned(f"<think>no</think>Ratio.\n{ASKED}")) == "Ratio."
