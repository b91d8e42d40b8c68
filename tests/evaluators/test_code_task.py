"""Programming problems as a task: files, code in answers, votes, verdicts, pass@k."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from evaluators.code.batch import judge_all, pass_rates
from evaluators.code.extract import code_of, key_of, texts
from evaluators.code.pool import Pool
from evaluators.code.problem import Sample, read_problems, read_samples
from evaluators.code.verifier import CodeVerifier
from evaluators.errors import BadInput, CannotJudge
from evaluators.tasks import load_task

FILE = Path(__file__).parent / "data" / "code_problems.jsonl"
PROBLEMS = read_problems(FILE)
ROW = {
    "task_id": "t/1",
    "prompt": 'def one():\n    """1."""\n',
    "entry_point": "one",
    "test": "def check(c):\n    assert c() == 1\n",
    "canonical_solution": "    return 1\n",
}


def write(path: Path, *rows: object) -> Path:
    text = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def without(name: str) -> dict:
    return {key: value for key, value in ROW.items() if key != name}


def test_a_packed_file_reads_as_the_plain_one(tmp_path):
    plain, packed = write(tmp_path / "p.jsonl", ROW), write(tmp_path / "p.jsonl.gz", ROW)
    assert read_problems(plain) == read_problems(packed)
    found = read_problems(packed)["t/1"]
    assert (found.entry_point, found.canonical_solution) == ("one", "    return 1\n")
    assert load_task(f"code:{plain}").name == load_task(f"code:{packed}").name == "code:p"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "is empty"),
        ([ROW, "{oops\n"], "line 2: not JSON"),
        ([ROW, "[1]\n"], 'line 2: a list, not an object such as {"task_id"'),
        ([without("task_id")], "line 1: it needs the field 'task_id'"),
        ([without("test")], "line 1: it needs the field 'test'"),
        ([ROW | {"prompt": None}], "line 1: it needs the field 'prompt'"),
        ([ROW | {"entry_point": ""}], "it needs the field 'entry_point'"),
        ([ROW | {"entry_point": "one two"}], "the entry_point 'one two' is no"),
        ([ROW | {"canonical_solution": 3}], "'canonical_solution' must be a text"),
        ([ROW, ROW], "line 2: the task_id 't/1' was given on line 1 already"),
    ],
)
def test_a_wrong_problem_is_named_with_its_line(tmp_path, rows, said):
    with pytest.raises(BadInput) as caught:
        read_problems(write(tmp_path / "p.jsonl", *rows))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"task_id": "t/1"}, "line 2: it needs the field 'completion'"),
        ({"completion": "x"}, "line 2: it needs the field 'task_id'"),
        ({"task_id": "t/1", "completion": 3}, "line 2: it needs the field 'completion'"),
        ({"task_id": "t/2", "completion": ""}, "no problem has the task_id 't/2'"),
    ],
)
def test_a_wrong_sample_is_named_with_its_line(tmp_path, row, said):
    problems = read_problems(write(tmp_path / "p.jsonl", ROW))
    path = write(tmp_path / "s.jsonl", {"task_id": "t/1", "completion": ""}, row)
    with pytest.raises(BadInput) as caught:
        read_samples(path, problems)
    assert said in str(caught.value)


def test_a_file_that_is_not_packed_or_not_named_so_is_refused(tmp_path):
    (tmp_path / "a.jsonl.gz").write_text("{}")
    with pytest.raises(BadInput, match="no whole gzip file"):
        read_problems(tmp_path / "a.jsonl.gz")
    whole = gzip.compress(b"{}\n" * 1000)
    (tmp_path / "b.jsonl.gz").write_bytes(whole[:-10])
    with pytest.raises(BadInput, match="no whole gzip file"):
        read_problems(tmp_path / "b.jsonl.gz")
    (tmp_path / "c.jsonl").write_bytes(whole)
    with pytest.raises(BadInput, match=r"give it the ending \.gz"):
        read_problems(tmp_path / "c.jsonl")


CODE = "def f(x):\n    return x + 1\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (CODE, CODE.strip()),
        (f"```python\n{CODE}```", CODE.strip()),
        (f"So:\n```py\n{CODE}```\nDone.", CODE.strip()),
        (f"```\n{CODE}```\n```python\nprint(f(1))\n```", CODE.strip()),
        (f"<think>\n```python\ndef f(x): pass\n```\n</think>\n{CODE}", CODE.strip()),
        ("    return x + 1\n```\nBecause.", "    return x + 1"),
        ("    return x + 1\n", "    return x + 1"),
        ("return x + 1", "return x + 1"),
        ("I cannot do this.", None),
        ("", None),
        ("<think>\nhm\n</think>", None),
        ("```python\n```", None),
    ],
)
def test_the_code_of_a_completion(text, code):
    assert code_of(text) == code


def test_the_likeliest_text_comes_first_and_the_whole_is_kept_as_the_last():
    block = "```python\nprint(1)\n```\n"
    found = texts(f"Sure.\n{block}```python\n{CODE}```\n{block}", "f")
    assert found[0] == CODE and found[-1].startswith("Sure.")
    assert texts("    return 1\n```\nwhy\n```\nx = 1\n```", "f")[0] == "    return 1\n"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("def f(x):  # add\n    return x+1", True),
        ('def f(x):\n    """Add."""\n\n    return (x + 1)\n', True),
        ("def f(x):\n    return x + 2", False),
        ("def f(y):\n    return y + 1", False),
        ("def f(x):\n    return 1 + x", False),
    ],
)
def test_programs_vote_together_that_differ_in_comments_and_space_only(other, same):
    assert (key_of(CODE) == key_of(other)) is same


@pytest.mark.parametrize(
    "text",
    ["(" * 15_000, "-" * 15_000 + "1", "not " * 4000 + "x", "x" + ".x" * 9000, "x" + "+x" * 9000,
     "\x00", "f" * 30_000, "[" * 90 + "]" * 90, "lambda:" * 2500 + "1", "\ud800"],
    ids=lambda text: text[:8].encode(errors="replace").decode(),
)  # fmt: skip
def test_a_vote_on_monstrous_text_ends(text):
    assert len(key_of(text)) == 16
    code_of(text)


@pytest.mark.parametrize(
    "text",
    ["\n" * 60_000, "```" + "a" * 60_000 + "`", "`" * 60_000, "```\n" * 15_000,
     "```\n" + "\n" * 60_000, " " * 60_000 + "```", "~~~" + "~a" * 30_000, "def " * 15_000],
    ids=lambda text: repr(text[:6]),
)  # fmt: skip
def test_code_is_looked_for_without_going_back_over_the_text(text):
    began = time.process_time()
    texts(text * 4, "f")
    code_of(text * 4)
    # processor time: some hundredths of a second; a quadratic search takes minutes
    assert time.process_time() - began < 10


def test_both_formats_show_the_prompt_and_ask_for_one_block():
    task = load_task(f"code:{FILE}")
    problem = task.problems[0]
    for format in task.formats:
        plain = task.render(problem, format, "plain")
        assert problem.fields["prompt"].strip() in plain and "```python" in plain
        assert problem.fields["prompt"] in task.render(problem, format, "compact")
    with pytest.raises(BadInput, match="no worked examples"):
        task.examples("direct", "plain", 1)


def test_options_are_checked_and_n_draws_by_seed():
    assert len(load_task(f"code:{FILE}")) == len(PROBLEMS)
    drawn = [p.id for p in load_task(f"code:{FILE}", n=4, seed=1).problems]
    assert len(drawn) == 4
    assert drawn == [p.id for p in load_task(f"code:{FILE}", n=4, seed=1).problems]
    with pytest.raises(BadInput, match="timeout must be more than 0"):
        load_task("code", n=0, timeout=0)
    with pytest.raises(BadInput, match="code:FILE"):
        load_task("code")
    with pytest.raises(BadInput, match="'prompt'"):
        load_task("code", n=0).from_fields({"entry_point": "f", "test": "x"})


def test_the_verifier_passes_what_passes_the_tests(strong):
    task = load_task(f"code:{FILE}", sandbox=strong, timeout=10.0)
    assert task.verifier.knows == "check"
    for problem in task.problems[:4]:
        solution = problem.fields["canonical_solution"]
        verdict = task.verifier.check(problem, f"```python\n{solution}```")
        assert (verdict.score, verdict.passed) == (1.0, True)
        assert verdict.answer == task.extract(f"```python\n{solution}```") == solution.rstrip()
        wrong = task.verifier.check(problem, "    return None\n")
        assert (wrong.score, wrong.passed) == (0.0, False) and wrong.reason.startswith("wrong: ")


def test_a_problem_that_cannot_be_judged_raises_and_says_why(strong):
    task = load_task("code", n=0, sandbox=strong)
    problem = task.from_fields(ROW | {"test": "def check(c):\n    pass\n"})
    with pytest.raises(CannotJudge, match="never call the candidate"):
        task.verifier.check(problem, "    return 1\n")


def test_threads_and_async_code_judge_side_by_side(strong):
    verifier = CodeVerifier(strong, timeout=10.0)
    task = load_task(f"code:{FILE}")
    assert verifier.slow  # so that async code calls it in a thread

    async def both():
        jobs = [
            asyncio.to_thread(verifier.check, p, p.fields["canonical_solution"] if ok else "")
            for p in task.problems[:6]
            for ok in (True, False)
        ]
        return await asyncio.gather(*jobs)

    assert [verdict.passed for verdict in asyncio.run(both())] == [True, False] * 6


def test_a_pool_lends_to_as_many_as_its_size_and_drops_what_broke():
    class Thing:
        closed = False

        def close(self) -> None:
            self.closed = True

    made: list[Thing] = []

    def make() -> Thing:
        made.append(Thing())
        return made[-1]

    pool = Pool(make, 2)
    with pool.lend() as first, pool.lend() as second:
        assert first is not second
        waiter = threading.Thread(target=lambda: pool.lend().__enter__(), daemon=True)
        waiter.start()
        waiter.join(0.05)
        assert waiter.is_alive()
    waiter.join(5)
    assert len(made) == 2
    with pytest.raises(ZeroDivisionError), Pool(make, 1).lend():
        raise ZeroDivisionError
    assert made[-1].closed


def test_many_samples_come_in_their_order(strong):
    samples = [
        Sample(name, problem.canonical_solution if at % 3 else "    return None\n", at)
        for at, (name, problem) in enumerate([*PROBLEMS.items()] * 2)
    ]
    found = list(judge_all(PROBLEMS, samples, 2, strong, 10.0))
    assert [judgement.passed for judgement in found] == [bool(at % 3) for at in range(24)]


def test_an_interrupted_batch_ends_its_workers(strong):
    before = threading.active_count()
    found = judge_all(PROBLEMS, [Sample("own/set", "    return 1\n", 1)] * 50, 2, strong, 10.0)
    assert next(found).ending == "wrong"
    found.close()
    assert threading.active_count() == before


def test_pass_at_k_is_the_unbiased_mean_over_problems():
    ids = ["a"] * 4 + ["b"] * 4 + ["c"] * 5
    passed = [True, False, False, False, True, True, False, False, *[False] * 4, None]
    rates, fewest = pass_rates(ids, passed, [1, 2, 4, 5])
    assert fewest == 4
    assert [rate.k for rate in rates] == [1, 2, 4]
    # by hand: 1 - C(n-c, k) / C(n, k), c = 1, 2, 0 of n = 4
    assert np.allclose(
        [rate.interval.value for rate in rates],
        [(1 / 4 + 2 / 4) / 3, (1 - 3 / 6 + 1 - 1 / 6) / 3, 2 / 3],
    )
    assert all(rate.interval.low <= rate.interval.value <= rate.interval.high for rate in rates)
    assert rates[0].problems == 3


def test_where_all_pass_the_interval_keeps_a_width_and_nothing_judged_has_no_rate():
    rates, _fewest = pass_rates(["a", "b"], [True, True], [1])
    assert rates[0].interval.value == rates[0].interval.high == 1 and rates[0].interval.low < 0.8
    assert pass_rates(["a"], [None], [1]) == ([], 0)
    assert pass_rates(["a", "b"], [None, True], [1])[0][0].problems == 1
