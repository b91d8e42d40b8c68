"""Tool use on scripted models: where writing stops, what is put in, what is charged and logged."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from tool_toys import FULL, Sum, Writer, rolling, script
from toy_lab import solve

from evaluators.errors import BadInput, LabError, UnknownName
from evaluators.problem import Problem
from evaluators.sandbox import NoSandbox, probe
from reasoning.core import Completion
from reasoning.ledger import Budget
from reasoning.runlog import read_events
from search import ToolUse, compare
from search.strategies import label, parse, refuse_unfit
from search.tools import Calculator, Kit, Marks, Python, Result

HERE = Path(__file__).parent
PROBLEM = Problem("p", {}, "1174")
TASK = Sum("sum", (PROBLEM,))
TEXT = "[23*47]=1081\n1081+188-95\n[1081+188]=1269\n[1269-95]=1174\n</think>1174"
STRONG = [name for name in ("bwrap", "landlock") if probe()[name].works]
needs_sandbox = pytest.mark.skipif(
    not STRONG, reason=f"no back-end isolates here: {', '.join(probe())} were tried"
)


def steps(solution: Any) -> list[tuple[str, str, int]]:
    [trace] = solution.traces
    return [(step.text, step.source, step.tokens) for step in trace.steps]


# -- the loop -------------------------------------------------------------------------


@pytest.mark.parametrize("can", [FULL, FULL - {"tells_stop"}], ids=["tells stop", "does not"])
def test_the_result_of_a_call_is_put_into_the_turn_and_the_model_goes_on(can) -> None:
    model = Writer(script(TEXT), can=can)
    solution, ledger = solve(ToolUse(), TASK, model, PROBLEM)
    assert steps(solution) == [
        ("[23*47]", "model", 7), ("=1081\n", "tool", 0),
        ("1081+188-95\n[1081+188]", "model", 22), ("=1269\n", "tool", 0),
        ("[1269-95]", "model", 9), ("=1174\n", "tool", 0),
        ("</think>1174", "model", 13),
    ]  # fmt: skip
    assert (solution.answer, solution.chosen, solution.stopped_by) == ("1174", 0, "done")
    assert solution.traces[0].text == TEXT
    assert ledger.spent.tokens == model.completion == solution.traces[0].tokens == 51
    assert not any(row.discarded for row in ledger.rows)


def test_a_wrong_result_that_the_model_would_write_never_comes_to_be_written() -> None:
    model = Writer(script(TEXT.replace("=1081", "=9999")))
    solution, _ = solve(ToolUse(), TASK, model, PROBLEM)
    assert "9999" not in solution.traces[0].text and solution.answer == "1174"


def test_the_turn_goes_on_from_exact_ids_with_the_results_between_them() -> None:
    model = Writer(script("[2*3]=6\n</think>6"))
    solve(ToolUse(), TASK, model, PROBLEM)
    call = tuple(map(ord, "[2*3]"))
    assert [prompt.prefix_ids for prompt in model.seen] == [(), (*call, "=6\n")]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("1/0", "error: division by zero"),
        ("3*", "error: it ends too early"),
        ("2**9", "error: unexpected '*'"),
        ("9/6", "3/2"),
        ("3-10", "-7"),
        ("", "error: it ends too early"),
        ("9" * 13, "error: a number of more than 12 digits"),
        ("__import__('os')", "error: unexpected '__import"),
    ],
)
def test_what_the_calculator_says_stands_in_the_trace(call: str, said: str) -> None:
    model = Writer(script(f"[{call}]=?\n</think>1174"))
    solution, _ = solve(ToolUse(), TASK, model, PROBLEM)
    [told] = [text for text, source, _ in steps(solution) if source == "tool"]
    assert told.startswith(f"={said}") and told.endswith("\n")
    assert solution.answer == "1174"


def test_a_failed_call_can_be_left_to_the_model() -> None:
    model = Writer(script("[3*]=7\n[3*7]=0\n</think>1174"))
    solution, _ = solve(ToolUse(errors="leave"), TASK, model, PROBLEM)
    assert solution.traces[0].text == "[3*]=7\n[3*7]=21\n</think>1174"
    assert [text for text, source, _ in steps(solution) if source == "tool"] == ["=21\n"]


def test_after_the_last_call_that_is_allowed_the_model_is_told_and_then_left_alone() -> None:
    model = Writer(script("[1+1]=\n[2+2]=\n[3+3]=\n[4+4]=8\n</think>8"))
    solution, _ = solve(ToolUse(calls=2), TASK, model, PROBLEM)
    told = [text for text, source, _ in steps(solution) if source == "tool"]
    assert told == ["=2\n", "=4\n", "=error: no calls left, 2 were made\n"]
    assert steps(solution)[-1] == ("[4+4]=8\n</think>8", "model", 18)
    assert len(model.seen) == 4


def test_a_long_result_is_cut_and_says_so() -> None:
    class Long(Calculator):
        name = "long"

        def run(self, call, earlier=(), seconds=0.0):
            return Result("7" * 30)

    solution, _ = solve(
        ToolUse(tools=Long(), output=10), TASK, Writer(script("[1]=\n</think>1")), PROBLEM
    )
    assert steps(solution)[1][0] == "=7777777777 … (20 more)\n"


def test_text_that_comes_behind_the_mark_in_its_token_is_not_written_twice() -> None:
    class Merged(Writer):
        """`]=` is one token."""

        async def generate(self, prompt, sampling, ledger, seed):
            [found] = await super().generate(prompt, sampling, ledger, seed)
            if found.finish != "boundary":
                return [found]
            ids = (*(found.token_ids or ()), ord("="))
            return [Completion(found.text + "=", "boundary", found.usage, ids, found.logprobs)]

    def write(prefix: str) -> str:
        return "</think>42" if prefix.endswith("\n") else "[6*7]=42\n"

    solution, _ = solve(ToolUse(), TASK, Merged(write), PROBLEM)
    assert solution.traces[0].text == "[6*7]=42\n</think>42"


def test_an_end_mark_without_a_call_is_text() -> None:
    model = Writer(
        lambda p: "</think>5" if p == "so] it" else "so]" if p == "" else " it"[len(p) - 3 :]
    )
    model.write = lambda p: {"": "so] it", "so]": " it</think>5"}[p]
    solution, _ = solve(ToolUse(), TASK, model, PROBLEM)
    assert [source for _, source, _ in steps(solution)] == ["model", "model"]
    assert solution.answer == "5"


# -- the five endings and the budget ---------------------------------------------------


def test_a_call_that_the_length_cuts_is_no_call_and_its_tokens_are_discarded() -> None:
    solution, ledger = solve(ToolUse(max_tokens=5), TASK, Writer(script(TEXT)), PROBLEM)
    assert steps(solution) == [("[23*4", "model", 5)]
    assert (solution.answer, solution.traces[0].finish) == (None, "length")
    assert [row.discarded for row in ledger.rows] == ["cut by length"]


def test_a_trace_has_its_length_over_all_its_calls() -> None:
    solution, ledger = solve(ToolUse(max_tokens=20), TASK, Writer(script(TEXT)), PROBLEM)
    assert [n for _, source, n in steps(solution) if source == "model"] == [7, 13]
    assert solution.traces[0].finish == "length" and ledger.spent.tokens == 20


def test_a_call_that_ends_with_the_last_token_of_the_length_is_not_made() -> None:
    solution, _ = solve(ToolUse(max_tokens=7), TASK, Writer(script(TEXT)), PROBLEM)
    assert steps(solution) == [("[23*47]", "model", 7)]
    assert solution.traces[0].finish == "length"


@pytest.mark.parametrize("tokens", range(60))
def test_under_every_budget_no_token_too_many_is_spent_and_no_cut_call_is_made(tokens: int) -> None:
    made: list[str] = []

    class Counting(Calculator):
        name = "counting"

        def run(self, call, earlier=(), seconds=0.0):
            made.append(call)
            return super().run(call)

    model = Writer(script(TEXT))
    solution, ledger = solve(ToolUse(tools=Counting()), TASK, model, PROBLEM, Budget(tokens=tokens))
    assert ledger.spent.tokens == model.completion <= tokens
    whole = "".join(t.text for t in solution.traces)
    assert TEXT.startswith(whole)
    assert made == re.findall(r"\[(.*?)\]=", whole + ("=" if whole.endswith("]") else ""))
    assert (solution.answer == "1174") == (tokens >= 51)
    assert solution.stopped_by == ("done" if tokens >= 51 else "budget")


def test_calls_and_context_run_out_without_an_error() -> None:
    solution, ledger = solve(ToolUse(), TASK, Writer(script(TEXT)), PROBLEM, Budget(calls=2))
    assert solution.answer is None and ledger.spent.calls == 2 and solution.stopped_by == "budget"
    solution, _ = solve(ToolUse(), TASK, Writer(script(TEXT), context=20), PROBLEM)
    assert solution.answer is None and solution.traces[0].finish == "length"


def test_an_end_within_a_call_ends_the_trace() -> None:
    solution, ledger = solve(ToolUse(), TASK, Writer(script("[23*47")), PROBLEM)
    assert steps(solution) == [("[23*47", "model", 7)]
    assert solution.answer is None and ledger.rows[0].discarded == "no answer"


# -- several traces --------------------------------------------------------------------


class Three(Writer):
    """Sample 0 and 2 call rightly, sample 1 asks for another product; lengths differ."""

    async def generate(self, prompt, sampling, ledger, seed):
        text = ["[6*7]=\n</think>42", "[6*8]=\n[1+1]=\n</think>48", "[7*6]=\n</think>42"]
        self.write = script(text[int(seed.parts[1]) % 3])
        return await super().generate(prompt, sampling, ledger, seed)


def test_the_majority_of_the_traces_answers() -> None:
    solution, _ = solve(ToolUse(n=3, temperature=1.0), TASK, Three(script("")), PROBLEM)
    assert [t.answer for t in solution.traces] == ["42", "48", "42"]
    assert (solution.answer, solution.chosen) == ("42", 0)


def test_a_scorer_chooses_where_it_is_given() -> None:
    how = ToolUse(n=3, temperature=1.0, scorer="verifier")
    solution, _ = solve(how, TASK, Three(script("")), Problem("p", {}, "48"))
    assert (solution.answer, solution.chosen) == ("48", 1)
    assert how.knows(TASK) == "reference" and ToolUse().knows(TASK) == "nothing"


def test_traces_are_drawn_until_the_budget_ends_and_their_order_is_the_asking() -> None:
    how = ToolUse(n=None, temperature=1.0, max_tokens=40)
    solution, ledger = solve(how, TASK, Three(script("")), PROBLEM, Budget(tokens=100))
    assert ledger.spent.tokens <= 100 and len(solution.traces) >= 5
    assert solution.stopped_by == "budget" and solution.answer == "42"
    again, other = solve(how, TASK, Three(script("")), PROBLEM, Budget(tokens=100))
    assert again == solution
    assert [row.key for row in other.rows] == [row.key for row in ledger.rows]


# -- settings --------------------------------------------------------------------------


def test_the_settings_are_read_from_text_and_written_back() -> None:
    how = parse("tool-use(tools=calculator+python,n=4,temperature=0.8,errors=leave)")
    assert parse(label(how)) == how
    with pytest.raises(UnknownName, match="calculater"):
        parse("tool-use(tools=calculater)")
    for wrong in ("n=0", "calls=0", "seconds=0", "errors=hide", "tools=python+python", "n=2"):
        with pytest.raises(BadInput):
            parse(f"tool-use({wrong})")


def test_a_model_that_cannot_go_on_is_refused_before_any_call() -> None:
    with pytest.raises(BadInput, match="continue a started answer"):
        refuse_unfit(ToolUse(), TASK, Writer(script(""), can=frozenset()))


def test_three_end_marks_are_refused_before_any_call() -> None:
    class Other(Calculator):
        def __init__(self, name, end):
            object.__setattr__(self, "name", name)
            object.__setattr__(self, "given", Marks("<", end, "", ""))

        def marks(self, dialect):
            return vars(self)["given"]

    tools = (Other("a", "!"), Other("b", "?"), Calculator())
    model = Writer(script(""))
    with pytest.raises(BadInput, match="cannot be told apart"):
        solve(ToolUse(tools=tools), TASK, model, PROBLEM)
    assert not model.seen


def test_the_question_tells_of_the_tools_in_the_plain_dialect_alone() -> None:
    for dialect, told in (("plain", True), ("compact", False)):
        model = Writer(lambda p: "Answer: 1", dialect=dialect)
        solve(ToolUse(tools="calculator"), TASK, model, PROBLEM)
        assert ("<calc>12*(3+4)</calc>" in model.seen[0].messages[-1].content) is told
    model = Writer(lambda p: "Answer: 1", dialect="plain")
    solve(ToolUse(explain=False), TASK, model, PROBLEM)
    assert "calc" not in model.seen[0].messages[-1].content


def test_a_tool_that_breaks_down_makes_its_problem_an_error_and_no_other() -> None:
    class Broken(Calculator):
        name = "broken"

        def run(self, call, earlier=(), seconds=0.0):
            raise RuntimeError("no paper")

    class Sometimes(Writer):
        async def generate(self, prompt, sampling, ledger, seed):
            calls = seed.parts[0] == "q"
            self.write = script("[1]=\n</think>1" if calls else "</think>1174")
            return await super().generate(prompt, sampling, ledger, seed)

    task = Sum("sum", (PROBLEM, Problem("q", {}, "1")))
    report = compare({"a": ToolUse(tools=Broken())}, task, Sometimes(script("")), [64],
                     progress=False)  # fmt: skip
    assert [(cell.problem, cell.state) for cell in report.cells] == [("p", "done"), ("q", "error")]
    assert "tool 'broken' broke down (RuntimeError: no paper)" in report.cells[1].reason


def test_a_tool_does_not_run_on_the_event_loop() -> None:
    where: list[bool] = []

    class Where(Calculator):
        name = "where"

        def run(self, call, earlier=(), seconds=0.0):
            where.append(threading.current_thread() is threading.main_thread())
            return Result("1")

    solve(ToolUse(tools=Where()), TASK, Writer(script("[1]=\n</think>1")), PROBLEM)
    assert where == [False]


# -- marks -----------------------------------------------------------------------------

BOTH = Kit((Calculator(), Python()), "compact")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no call", None),
        ("[3*7", None),
        ("so [3*7]", ("calculator", "3*7", "")),
        ("]3*7]", None),
        ("[3*7]=2", ("calculator", "3*7", "=2")),
        ("```python\nx=[1,2]", None),
        ("```python\nx=[1,2]\n```", ("python", "x=[1,2]", "")),
        ("say:\n```\n3\n```", None),
        ("```python\n\n```", ("python", "", "")),
    ],
)
def test_calls_are_found_by_their_marks(text: str, found: tuple[str, str, str] | None) -> None:
    call = BOTH.call(text)
    assert (call and (call.tool.name, call.asked, call.rest)) == found


def test_the_first_end_mark_is_a_boundary_and_the_second_a_stop_string() -> None:
    from reasoning.core import Sampling

    asked = BOTH.stops(Sampling())
    assert (asked.boundary, asked.stop) == ("]", ("\n```",))
    silent = Kit(BOTH.tools, "compact", tells_stop=False).stops(Sampling())
    assert (silent.boundary, silent.stop) == (None, ("]", "\n```"))


# -- python ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def python() -> Python:
    tool = Python(STRONG[0])
    tool.prepare()
    return tool


SAID = [
    ("a value", "6*7", "42", False),
    ("what is printed", "print('a')\nprint('b')", "a\nb", False),
    ("nothing", "x = 5", "(no output)", False),
    ("an error and its line", "x = 1\nx / 0", "error: ZeroDivisionError: division by zero (line 2)",
     True),
    ("output before an error", "print(1)\nnope",
     "1\nerror: NameError: name 'nope' is not defined (line 2)", True),
    ("a syntax error", "def f(:", "error: SyntaxError: invalid syntax (line 1)", True),
    ("an exit", "raise SystemExit(3)", "error: SystemExit: 3 (line 1)", True),
]  # fmt: skip


@needs_sandbox
@pytest.mark.parametrize(
    ("code", "text", "failed"), [c[1:] for c in SAID], ids=[c[0] for c in SAID]
)
def test_python_tells(python: Python, code: str, text: str, failed: bool) -> None:
    assert python.run(code, (), 30.0) == Result(text, failed)


@needs_sandbox
def test_blocks_share_their_variables_and_earlier_ones_are_not_heard(python: Python) -> None:
    earlier = ["x = 2\nprint('heard')", "y = 3\n1/0"]
    assert python.run("x + y", earlier, 30.0) == Result("5")


@needs_sandbox
def test_an_endless_block_is_told_and_the_next_one_runs(python: Python) -> None:
    assert python.run("while True: pass", (), 0.5) == Result(
        "error: stopped after 0.5 seconds", True
    )
    assert python.run("1", (), 30.0) == Result("1")


@needs_sandbox
def test_a_block_reads_no_file_of_the_user(python: Python, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    found = python.run(f"open({str(tmp_path / 'secret')!r}).read()", (), 30.0)
    assert found.failed and "secret'" not in found.text.partition("Errno")[0]


PROGRAM = "```python\nn = 23*47\nn\n```"


def programmer(prefix: str) -> str:
    """Writes a block, reads its output, uses the calculator, answers."""
    if "```output" not in prefix:
        rest = f"I compute.\n{PROGRAM}"
        return rest[len(prefix) :] if rest.startswith(prefix) else "?"
    value = int(re.findall(r"```output\n(\d+)", prefix)[0])
    if "</calc> = " not in prefix:
        return f"<calc>{value}+188-95</calc>"
    return "Answer: " + re.findall(r"</calc> = (\d+)", prefix)[0]


@needs_sandbox
@pytest.mark.parametrize("can", [FULL, FULL - {"tells_stop"}], ids=["tells stop", "does not"])
@pytest.mark.parametrize("order", ["python first", "calculator first"])
def test_python_and_calculator_serve_one_trace(can, order: str) -> None:
    tools: Any = (Python(STRONG[0]), Calculator())
    tools = tools if order == "python first" else tools[::-1]
    model = Writer(programmer, can=can, dialect="plain")
    how = ToolUse(tools=tools, seconds=30.0, max_tokens=400)
    solution, _ = solve(how, TASK, model, PROBLEM)
    assert solution.answer == "1174"
    assert solution.traces[0].text == (
        f"I compute.\n{PROGRAM}\n```output\n1081\n```\n"
        "<calc>1081+188-95</calc> = 1174\nAnswer: 1174"
    )


def test_without_a_sandbox_python_is_refused_before_the_first_call(monkeypatch) -> None:
    from evaluators.sandbox import sandbox as module

    def none() -> str:
        raise NoSandbox("nothing isolates untrusted code here. bwrap: it is not installed.")

    monkeypatch.setattr(module, "_strongest", none)
    monkeypatch.delenv("REASONLAB_SANDBOX", raising=False)
    monkeypatch.setattr("evaluators.code.pool._pools", {})
    model = Writer(script(""))
    with pytest.raises(NoSandbox, match="bwrap: it is not installed"):
        compare({"a": ToolUse(tools="python")}, TASK, model, [64], progress=False)
    assert not model.seen


# -- the log ---------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [9, 31])
def test_a_killed_run_goes_on_without_asking_model_or_tool_again(tmp_path: Path, rows: int) -> None:
    program = (
        f"import sys; sys.path[:0] = [{str(HERE)!r}, {str(HERE.parents[1])!r}]\n"
        "import os\nfrom pathlib import Path\n"
        "import tool_toys as t\n"
        "from search import compare\n"
        "from reasoning.runlog import RunLog\n"
        f"append, left = RunLog.append, [{rows}]\n"
        "def dying(self, kind, **data):\n"
        "    append(self, kind, **data)\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), 9)\n"
        "RunLog.append = dying\n"
        f"compare(**t.rolling(Path({str(tmp_path)!r})))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    events = [e for e in read_events(tmp_path / "run") if e["kind"] == "response"]
    before = {e["answer"][0]["text"] for e in events if not e["reserved"]}
    assert before
    asked, rolled = ((tmp_path / name).read_text() for name in ("asked", "rolled"))
    report = compare(**rolling(tmp_path, resume=True))
    told = {
        s.text[1:-1] for c in report.cells for t in c.traces for s in t.steps if s.source == "tool"
    }
    assert before <= told, "what the tool said before stands in the traces"
    after = (tmp_path / "asked").read_text()
    logged = {e["reserved"][0]["key"] for e in events if e["reserved"]}
    assert not logged & set(after[len(asked) :].split()), "a logged call was asked again"
    new = (tmp_path / "rolled").read_text()[len(rolled) :].split()
    assert len(new) == 3 * 2 * 4 - len(before), "a logged roll was rolled again"


def test_a_steady_tool_leaves_no_row_in_the_log(tmp_path: Path) -> None:
    compare({"a": ToolUse()}, TASK, Writer(script(TEXT)), [64], out=tmp_path, progress=False)
    rows = [e for e in read_events(tmp_path) if e["kind"] == "response"]
    assert len(rows) == 4 and all(row["reserved"] for row in rows)


def test_results_are_neither_tokens_of_the_model_nor_of_its_likelihood() -> None:
    solution, _ = solve(ToolUse(), TASK, Writer(script(TEXT)), PROBLEM)
    assert solution.traces[0].logprob == pytest.approx(-0.5 * 51)


def test_errors_of_the_lab_pass_through_a_tool() -> None:
    class Refusing(Calculator):
        name = "refusing"

        def run(self, call, earlier=(), seconds=0.0):
            raise LabError("out of order")

    with pytest.raises(LabError, match="out of order"):
        solve(ToolUse(tools=Refusing()), TASK, Writer(script("[1]=\n")), PROBLEM)


def test_a_report_names_the_steps_of_tools() -> None:
    report = compare({"a": ToolUse()}, TASK, cast(Any, Writer(script(TEXT))), [64], progress=False)
    lines = str(report.problem("p")).splitlines()
    assert "      =1081   [tool]" in lines and "      [23*47]" in lines
