from collections import Counter
from dataclasses import dataclass, replace

import pytest

from evaluators import load_task
from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks.expressions import Expressions
from reasoning import collect_traces, rationalise
from reasoning.core import Completion, Message, SeedPath, Usage
from reasoning.data.hints import Hint, hint_for, hinted, surviving, unsolved
from reasoning.data.rationalise import FILE, Hinted, stripped
from reasoning.data.rows import Piece, fingerprint, read
from reasoning.ledger import Ledger
from reasoning.prompts import PromptStyle, build
from tests.reasoning.collecting import Scripted, Sums, sums


class Told(Scripted):
    """Is right only where the answer is told; says so with every fourth sample."""

    def __init__(self, dialect="compact", **options):
        super().__init__(**options)
        self.dialect = dialect

    def write(self, question, prefix, seed):
        told = question.splitlines()
        known = next((line for line in told if line.startswith("Hint")), None)
        lines = [line for line in told if line and line[0].isdigit()]
        numbers = [int(x) for x in lines[-1][:-1].split("+")]
        if len(lines) > 1:
            known = lines[0]
        total = sum(numbers) + (known is None)
        head = "As told, it is so.\n" if known and seed.parts[-1] == 3 else ""
        return f"{head}{numbers[0] + numbers[1]}\n={total}"[len(prefix) :]


def rational(task, model, rows=(), **options):
    return rationalise(task, model, rows, progress=False, **options)


@pytest.mark.parametrize("dialect", ["compact", "plain"])
def test_what_was_told_is_stripped_and_what_shows_it_is_dropped(dialect):
    task, model = sums(3), Told(dialect)
    failed = collect_traces(task, model, k=2, progress=False)
    assert not any(row.correct for row in failed)
    rows = rational(task, model, failed, hint="answer", k=4)
    assert len(rows) == 9 and all(row.correct and row.hint_used for row in rows)
    assert len(rows.dropped) == 3
    assert set(rows.dropped.values()) == {"the hint shows: 'as told'"}
    for row in rows:
        plain = build(task, row.asked(), PromptStyle(), dialect)
        assert row.messages == plain.messages and row.prefix == ""
        first = next(r for r in failed if r.problem["id"] == row.problem["id"])
        assert row.parent_id == first.id
    asked = [question for question, _ in model.asked[-12:]]
    answer = task.problems[0].answer
    assert any(str(answer) in question for question in asked)
    assert "dropped" in repr(rows)


def test_only_what_nothing_solved_is_rationalised():
    task = sums(6)
    rows = collect_traces(task, Scripted(right=0.3), k=2, progress=False)
    open_ones = {p.id for p in unsolved(task, rows).problems}
    assert 0 < len(open_ones) < 6
    made = rational(task, Told(), rows, hint="answer", k=1)
    assert {row.problem["id"] for row in made} == open_ones
    assert rational(task, Told(), made, hint="answer").errors == {}
    whole = collect_traces(task, Scripted(right=1.0), k=1, progress=False)
    model = Told()
    assert rational(task, model, whole) == [] and not model.asked


def test_a_folder_goes_on_and_holds_no_hint(tmp_path):
    task = sums(3)
    first = rational(task, Told(), hint="answer", out=tmp_path)
    model = Told()
    again = rational(task, model, hint="answer", out=tmp_path)
    assert not model.asked and fingerprint(again) == fingerprint(first)
    assert read(tmp_path / FILE) == list(again)
    assert not (tmp_path / "traces.jsonl").exists()


QUESTION = "1+2*3<think>"
HINT = Hint(told="1+2*3=7\n\n")


ASKED = (Message("user", QUESTION),)


def row(text, messages=ASKED, pieces=None, dialect="compact", prefix=""):
    task = Expressions("expressions")
    problem = task.parse_problem("1+2*3")
    from reasoning.data.rows import TraceRow, question

    return TraceRow(
        "r", "expressions", "train", 0, question(problem), "i", messages,
        pieces or (Piece(text),), "eos", dialect=dialect, prefix=prefix,
        verdict={"passed": True},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "left"),
    [
        (row("1+6\n7\n</think>7"), None),
        (row("1+2*3=7\n</think>7"), "1+2*3=7"),
        (row("1+6\n1+2*3=7 \n</think>7"), "1+2*3=7"),
        (row("the HINT said 7\n</think>7"), "hint"),
        (row("7", (Message("user", "1+2*3=7\n\n1+2*3<think>"),)), "1+2*3=7"),
        (row("7", prefix="As  told"), "as told"),
        (row("", pieces=(Piece("a hint\n", "tool"), Piece("7"))), None),
    ],
    ids=["clean", "copied", "copied with a space", "named", "prompt", "prefix", "not learned"],
)
def test_the_check_finds_what_is_left(made, left):
    assert surviving(made, HINT, QUESTION) == left


def test_what_the_question_itself_says_is_no_hint():
    asked = "Which hint was given? 1+2*3<think>"
    made = row("the hint\n</think>7", (Message("user", asked),))
    assert surviving(made, HINT, asked) is None


def test_an_answer_with_a_point_is_no_sentence_of_its_own():
    hint = Hint(told="\nHint: the answer is 3.5. Write the reasoning that leads to it.")
    made = row("7/2 is 3.5, 5 halves less one\nAnswer: 3.5", dialect="plain")
    assert surviving(made, hint, "x") is None


def test_a_forced_line_within_a_longer_one_is_no_leak():
    made = row("", pieces=(Piece("6+7\n", "forced"), Piece("16+7\n23\n</think>23")))
    assert surviving(made, Hint(forced="6+7\n"), QUESTION) is None


def test_a_plain_hint_is_found_in_each_of_its_sentences():
    hint = Hint(told="\nHint: the answer is 7. Write the reasoning that leads to it.")
    said = row("So I write the reasoning  that leads to it\nAnswer: 7", dialect="plain")
    assert surviving(said, hint, "What is 1+2*3?") == "write the reasoning that leads to it"
    assert surviving(row("6+1 is 7\nAnswer: 7", dialect="plain"), hint, "x") is None


def test_a_right_answer_by_wrong_steps_is_dropped_where_steps_can_be_judged():
    task, how = Expressions("expressions"), Hinted(1, hint="answer")
    good, why = stripped(row("1+6\n7\n</think>7"), task, how)
    assert why is None and good.hint_used
    bad = row("3*3\n7\n</think>7")
    assert stripped(bad, task, how)[1] == "step 1 does not hold: 3*3 does not follow from 1+2*3"
    assert stripped(bad, task, how, check_steps=False)[1] is None
    wrong = replace(bad, verdict={"passed": False})
    assert stripped(wrong, task, how)[1] is None  # a wrong trace says so itself


def test_forced_steps_are_the_solvers_and_never_learned():
    task = load_task("expressions", split="train", n=4, ops=3)
    for steps in (1, 2, 9):
        hint = hint_for(task, task.problems[0], "step", "compact", SeedPath(0), steps)
        assert hint.forced.count("\n") == min(steps, 3) and not hint.told
        assert "</think>" not in hint.forced
        prompt = hinted(build(task, task.problems[0], PromptStyle(), "compact"), hint, "compact")
        assert prompt.prefix == hint.forced


class Finishing(Scripted):
    """Goes on rightly from what stands."""

    async def generate(self, prompt, sampling, ledger, seed):
        from evaluators.tasks import arithmetic as ar
        from evaluators.tasks.expressions import solve

        grant = ledger.reserve(purpose="sample", model="f", key=seed.text, max_tokens=40)
        self.asked.append((prompt.messages[-1].content, prompt.prefix))
        line = prompt.prefix.splitlines()[-1]
        lines = solve(ar.parse(line))
        text = "".join(f"{x}\n" for x in lines) + f"</think>{lines[-1] if lines else line}"
        usage = Usage(1, 0, len(text))
        grant.settle(usage)
        return [Completion(text, "eos", usage)]


def test_with_a_forced_step_the_prompt_is_plain_and_the_rest_is_the_models():
    task = load_task("expressions", split="train", n=4, ops=3)
    model = Finishing()
    rows = rational(task, model, k=2)  # compact, with a solver: the step is what is forced
    assert len(rows) == 8 and all(row.correct for row in rows) and not rows.dropped
    for row in rows:
        assert [piece.source for piece in row.pieces] == ["forced", "model"]
        assert row.prefix == "" and row.pieces[0].text.count("\n") == 1
        assert row.answer == row.gold and row.teacher["strategy"] == "Hinted"
    assert all(prefix for _, prefix in model.asked)


def test_a_step_that_the_model_writes_again_is_dropped():
    task = Expressions("expressions")
    problem = replace(task.parse_problem("1+2*3"), id="expressions/own")
    forced = hint_for(task, problem, "step", "compact", SeedPath(0, ("hint", problem.id)))
    pieces = (Piece(forced.forced, "forced"), Piece(f"{forced.forced}7\n</think>7"))
    how = Hinted(1, hint="step")
    assert stripped(row("", pieces=pieces), task, how)[1] == "the hint shows: '1+6'"


def test_what_has_no_hint_is_said():
    with pytest.raises(BadInput, match="use hint='answer'"):
        rational(sums(1), Told(), hint="step")
    bare = replace(sums(1), problems=(Problem("sums/0", {"numbers": [1, 2, 3]}),))
    with pytest.raises(BadInput, match="has no answer to tell"):
        rational(bare, Told(), hint="answer")
    with pytest.raises(UnknownName, match="Known: answer, step"):
        rational(sums(1), Told(), hint="whisper")
    with pytest.raises(UnknownName, match="temperature"):
        rational(sums(1), Told(), temprature=1.0)
    model = Told()
    model.can = frozenset()
    with pytest.raises(BadInput, match="continue"):
        rational(load_task("expressions", n=1), model, hint="step")


@dataclass(frozen=True)
class Silent(Sums):
    formats = ("chain",)


def test_an_answer_is_told_also_where_it_is_never_asked_alone():
    task = Silent("sums", sums(2).problems)
    rows = rational(task, Told("plain"), hint="answer", k=1)
    assert len(rows) == 2 and all(row.correct for row in rows)
    assert Counter(row.task for row in rows) == {"sums": 2} and Ledger().rows == []
