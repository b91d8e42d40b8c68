"""What a folder of collected traces gives back: after an interruption, and when things changed."""

import errno
import importlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from evaluators.errors import BadInput, LabError
from evaluators.problem import Problem
from reasoning import collect_traces, runlog
from reasoning.core import Solution
from reasoning.data import code
from reasoning.data.rows import fingerprint, read
from reasoning.data.traces import FILE
from reasoning.runlog import LogBusy, RunLog, read_events
from tests.reasoning.collecting import Judge, Lenient, Scripted, Sums, logged, sums

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}


@pytest.fixture(autouse=True)
def loaded_just_now(monkeypatch):
    """A file of this project that is edited while the tests run is no matter of theirs."""
    monkeypatch.setattr(code, "_LOADED", time.time() + 1e6)


def collect(task, model, folder, **options):
    return collect_traces(task, model, out=folder, progress=False, **{"k": 3, **options})


def asked(task, folder, model=None, **options):
    """How many calls a further collection into the folder makes, and its rows."""
    model = model or Scripted()
    rows = collect(task, model, folder, **options)
    return len(model.asked), rows


def test_what_was_collected_is_not_asked_again(tmp_path):
    first = collect(sums(5), Scripted(), tmp_path)
    calls, again = asked(sums(5), tmp_path)
    assert calls == 0 and again == first
    assert again.spent == replace(first.spent, seconds=again.spent.seconds)
    assert read(tmp_path / FILE) == list(first)


def test_more_problems_and_more_samples_ask_only_for_what_is_new(tmp_path):
    collect(sums(4), Scripted(), tmp_path)
    assert asked(sums(6), tmp_path)[0] == 2 * 3
    calls, rows = asked(sums(6), tmp_path, k=5)
    assert calls == 6 * 2
    assert fingerprint(rows) == fingerprint(collect_traces(sums(6), Scripted(), k=5))
    assert rows.spent.calls == 30


def test_an_edited_verifier_judges_anew_without_asking_the_model(tmp_path):
    strict = collect(sums(6), Scripted(), tmp_path)
    calls, lenient = asked(sums(6, judge=Lenient()), tmp_path)
    assert calls == 0
    assert not all(r.correct for r in strict) and all(r.correct for r in lenient)
    assert [r.id for r in lenient] == [r.id for r in strict]
    assert [r.verdict["version"] for r in lenient] != [r.verdict["version"] for r in strict]
    calls, back = asked(sums(6), tmp_path)
    assert calls == 0 and back == strict


CODE = """
from dataclasses import dataclass
from evaluators.verdict import Verdict
from tests.reasoning.collecting import Judge

@dataclass(frozen=True)
class Own(Judge):
    def check(self, problem, text):
        verdict = super().check(problem, text)
        return Verdict({score}, {passed}, verdict.answer)
"""


def test_a_verifier_whose_file_was_edited_judges_anew(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    long_ago = time.time() - 9999
    file = tmp_path / "own_judge_of_sums.py"

    def written(score, passed):
        file.write_text(CODE.format(score=score, passed=passed))
        os.utime(file, (long_ago, long_ago + score))
        sys.modules.pop(file.stem, None)
        importlib.invalidate_caches()
        return importlib.import_module(file.stem).Own()

    first = asked(sums(3, judge=written(1.0, True)), tmp_path / "run")[1]
    again = asked(sums(3, judge=written(1.0, True)), tmp_path / "run")
    assert all(r.correct for r in first) and again == (0, first)
    calls, edited = asked(sums(3, judge=written(0.0, False)), tmp_path / "run")
    assert calls == 0 and not any(r.correct for r in edited)
    assert len({r.verdict["version"] for r in [*first, *edited]}) == 2


def test_a_parser_that_changed_reads_the_old_responses(tmp_path):
    @dataclass(frozen=True)
    class Signed(Sums):
        def extract(self, text):
            return f"+{self.read(text)}"

    first = collect(sums(3), Scripted(), tmp_path)
    calls, rows = asked(Signed("sums", sums(3).problems), tmp_path)
    assert calls == 0 and [r.answer for r in rows] == [f"+{r.answer}" for r in first]


def test_an_edited_prompt_is_asked_anew(tmp_path):
    @dataclass(frozen=True)
    class Polite(Sums):
        def render(self, problem, format, dialect):
            before = "please\n" if problem.id == "sums/1" else ""
            return before + super().render(problem, format, dialect)

    collect(sums(4), Scripted(), tmp_path)
    model = Scripted()
    calls, rows = asked(Polite("sums", sums(4).problems), tmp_path, model)
    assert calls == 3 and {q.splitlines()[0] for q, _ in model.asked} == {"please"}
    prompts = {r.problem["id"]: r.messages[0].content for r in rows}
    assert [p for p in prompts.values() if p.startswith("please")] == [prompts["sums/1"]]


def test_an_edited_question_of_the_same_name_is_asked_anew(tmp_path):
    collect(sums(3), Scripted(), tmp_path)
    first, *rest = sums(3).problems
    other = Problem(first.id, {"numbers": [9, 9, 9]}, "27", first.meta)
    calls, rows = asked(replace(sums(3), problems=(other, *rest)), tmp_path)
    assert calls == 3 and rows[0].problem["fields"] == {"numbers": [9, 9, 9]}


def test_another_model_or_sampling_or_seed_is_asked_and_the_first_is_not_forgotten(tmp_path):
    first = collect(sums(2), Scripted(), tmp_path)
    assert asked(sums(2), tmp_path, Scripted(right=0.9))[0] == 6
    assert asked(sums(2), tmp_path, temperature=0.7)[0] == 6
    assert asked(sums(2), tmp_path, seed=1)[0] == 6
    assert asked(sums(2), tmp_path) == (0, first)


def test_a_new_budget_asks_only_for_what_it_pays_differently(tmp_path):
    collect(sums(3), Scripted(), tmp_path, budget=45)
    calls, rows = asked(sums(3), tmp_path, budget=None)
    assert calls == 6 and fingerprint(rows) == fingerprint(collect_traces(sums(3), Scripted(), k=3))


def test_a_scorer_with_another_model_is_not_answered_for_the_first(tmp_path):
    @dataclass(frozen=True)
    class Second:
        """A strategy that asks a model of its own."""

        other: Scripted

        async def solve(self, problem, ctx):
            beside = ctx.model.beside(self.other)
            from reasoning.core import Message, Prompt, Sampling

            prompt = Prompt((Message("user", ctx.task.render(problem, "chain", "compact")),))
            await beside.generate(prompt, Sampling(40), ctx.ledger, ctx.seed)
            return Solution(None, (), None)

    for right, calls in ((0.5, 2), (0.5, 0), (0.9, 2)):
        other = Scripted(right=right)
        collect(sums(2), Scripted(), tmp_path, strategy=Second(other), k=1)
        assert len(other.asked) == calls


def test_what_failed_is_asked_again_and_nothing_else(tmp_path):
    def fault(question, seed):
        if seed.parts == ("sums/2", 1):
            raise ConnectionError("dead")

    broken = collect(sums(4), Scripted(fault=fault), tmp_path)
    assert list(broken.errors) == ["sums/2"] and len(broken) == 9
    reasons = [e["reason"] for e in read_events(tmp_path) if e["kind"] == "error"]
    assert len(reasons) == 1 and "dead" in reasons[0]
    model = Scripted()
    calls, rows = asked(sums(4), tmp_path, model)
    assert calls == 1 and model.asked[0][1] == "0/sums%2F2/1" and not rows.errors
    assert fingerprint(rows) == fingerprint(collect_traces(sums(4), Scripted(), k=3))


def test_a_verifier_that_breaks_down_is_asked_again_not_the_model(tmp_path):
    class Broken(Judge):
        def check(self, problem, text):
            if problem.id == "sums/1":
                raise ZeroDivisionError("no")
            return super().check(problem, text)

    assert list(collect(sums(3, judge=Broken()), Scripted(), tmp_path).errors) == ["sums/1"]
    calls, rows = asked(sums(3), tmp_path)
    assert calls == 0 and not rows.errors and len(rows) == 9


def test_a_full_disk_ends_it_with_the_remedy_and_loses_nothing(tmp_path, monkeypatch):
    real, left = runlog._write, [20_000]

    def full(file, raw):
        left[0] -= len(raw)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, raw)

    monkeypatch.setattr(runlog, "_write", full)
    with pytest.raises(LabError, match=r"No space left on device.*make room, then resume"):
        collect(sums(40), Scripted(), tmp_path, concurrency=2)
    monkeypatch.setattr(runlog, "_write", real)
    before = logged(tmp_path)
    model = Scripted()
    _, rows = asked(sums(40), tmp_path, model)
    assert before and not before & {seed for _, seed in model.asked} and len(rows) == 120


def test_a_full_disk_at_the_very_end_keeps_the_log(tmp_path):
    (tmp_path / FILE).mkdir(parents=True)  # what cannot be replaced by a file
    with pytest.raises(LabError, match="make room, then make the same call again"):
        collect(sums(2), Scripted(), tmp_path)
    (tmp_path / FILE).rmdir()
    assert asked(sums(2), tmp_path)[0] == 0


def test_two_collections_do_not_write_into_one_folder(tmp_path):
    about = {"method": "collect", "task": "sums"}
    with RunLog(tmp_path, about), pytest.raises(LogBusy):
        collect(sums(2), Scripted(), tmp_path)


def test_the_folder_of_something_else_is_refused(tmp_path):
    with RunLog(tmp_path, {"strategies": {}}):
        pass
    with pytest.raises(BadInput, match="method: null"):
        collect(sums(2), Scripted(), tmp_path)


def program(folder: Path) -> subprocess.Popen:
    script = str(HERE / "collecting.py")
    return subprocess.Popen(
        [sys.executable, script, str(folder)], env=ENVIRONMENT, stderr=subprocess.PIPE
    )


def wait_for_responses(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(logged(folder / "run")) < count:
        assert time.monotonic() < deadline, "the collection did not start"
        time.sleep(0.02)


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_interrupted_or_killed_it_goes_on_where_it_stopped(tmp_path, how):
    run = program(tmp_path)
    wait_for_responses(tmp_path, 20)
    run.send_signal(getattr(signal, how))
    _, errors = run.communicate(timeout=60)
    assert run.returncode != 0
    if how == "SIGINT":
        assert b"KeyboardInterrupt" in errors and b"never retrieved" not in errors
    before = logged(tmp_path / "run")
    size = (tmp_path / "asked").stat().st_size
    model = Scripted(asked=tmp_path / "asked")
    rows = collect(sums(40), model, tmp_path / "run", k=4)
    new = (tmp_path / "asked").read_bytes()[size:].decode().splitlines()
    assert len(before) < 160, "it was interrupted before its end"
    assert len(new) == 160 - len(before)
    assert not before & {line.split()[-1] for line in new}
    assert fingerprint(rows) == fingerprint(collect_traces(sums(40), Scripted(), k=4))


def test_half_a_line_at_the_end_of_the_log_is_asked_again(tmp_path):
    whole = collect(sums(4), Scripted(), tmp_path)
    events = tmp_path / "events.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    responses = [at for at, line in enumerate(lines) if b'"kind":"response"' in line]
    events.write_bytes(b"".join(lines[: responses[5]]) + lines[responses[5]][:40])
    calls, rows = asked(sums(4), tmp_path)
    assert calls == 12 - 5 and fingerprint(rows) == fingerprint(whole)
