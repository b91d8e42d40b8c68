"""One's own questions: what is accepted, and that each mistake is named with its place."""

import json

import pytest

from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks import expressions, load_task


def write(path, *rows):
    path.write_text("".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in rows))
    return str(path)


@pytest.fixture
def capitals(tmp_path):
    return write(
        tmp_path / "capitals.jsonl",
        {"id": "fr", "q": "Capital of France?", "gold": "Paris", "options": ["Lyon", "Paris"]},
        {"id": "it", "q": "Capital of Italy?", "gold": "A",
         "options": {"A": "Rome", "B": "Milan"}},
    )  # fmt: skip


def test_the_default_fields_and_the_file_behind_the_colon(tmp_path):
    path = write(tmp_path / "own.jsonl", {"question": "1+1?", "answer": 2})
    task = load_task(f"jsonl:{path}")
    (problem,) = task.problems
    assert (task.name, problem.id, problem.answer) == ("jsonl:own", "jsonl:own/1", "2")
    assert task.verifier.check(problem, "Answer: 2.0").passed
    assert not task.verifier.check(problem, "Answer: 3").passed
    assert task.verifier.knows == "reference"


def test_field_names_are_options(capitals):
    task = load_task(f"jsonl:{capitals}", question="q", answer="gold", verifier="exact")
    assert [p.id for p in task.problems] == ["jsonl:capitals/fr", "jsonl:capitals/it"]
    assert task.verifier.check(task.problems[0], "Answer: Paris").passed
    assert not task.verifier.check(task.problems[0], "Answer: paris").passed


@pytest.fixture
def choices(capitals):
    return load_task(
        f"jsonl:{capitals}", question="q", answer="gold", choices="options", verifier="choice"
    )


def test_choices_are_listed_under_the_question(choices):
    shown = choices.render(choices.problems[0], "direct", "plain")
    assert "Capital of France?\n(A) Lyon\n(B) Paris\n" in shown
    assert shown.endswith("Answer: <letter>")


def test_the_reference_may_be_the_text_or_the_letter(choices):
    assert [p.answer for p in choices.problems] == ["B", "A"]


@pytest.mark.parametrize(
    ("text", "passed"),
    [("Answer: B", True), ("(B)", True), ("The answer is (b) Paris", True), ("Paris", True),
     ("Answer: paris.", True), ("Answer: Lyon", False), ("A", False), ("Answer: A or B", False),
     ("Answer: Nice", False), ("", False)],
)  # fmt: skip
def test_a_choice_is_given_by_letter_or_by_its_text(choices, text, passed):
    assert choices.verifier.check(choices.problems[0], text).passed is passed


def test_letter_and_text_vote_together(choices):
    problem = choices.problems[0]
    votes = {choices.answer_key(problem, text) for text in ("(b)", "Answer: Paris", "B.")}
    assert votes == {"B"}
    assert choices.answer_key(problem, "perhaps") is None


def test_math_votes_are_canonical(tmp_path):
    task = load_task("jsonl:" + write(tmp_path / "m.jsonl", {"question": "?", "answer": "1/2"}))
    assert task.extract("Answer: 0.50") == task.extract(r"\boxed{\frac{1}{2}}") == "0.5"
    assert task.verifier.check(task.problems[0], "Answer: 50%").passed


def test_both_formats_and_dialects_hold_the_question(choices):
    for format in choices.formats:
        for dialect in ("plain", "compact"):
            assert "Capital of Italy?" in choices.render(choices.problems[1], format, dialect)


def test_blank_lines_and_a_byte_order_mark_do_no_harm(tmp_path):
    path = tmp_path / "bom.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"question": "q", "answer": "a"}\r\n\r\n')
    assert len(load_task(f"jsonl:{path}")) == 1


def test_n_draws_by_seed(tmp_path):
    path = write(tmp_path / "m.jsonl", *({"question": f"q{i}", "answer": i} for i in range(30)))
    first = [p.id for p in load_task(f"jsonl:{path}", n=5, seed=3).problems]
    assert first == [p.id for p in load_task(f"jsonl:{path}", n=5, seed=3).problems]
    assert first != [p.id for p in load_task(f"jsonl:{path}", n=5, seed=4).problems]


GOOD = {"question": "q", "answer": "a"}


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        ([], {}, "is empty"),
        (["\n \n"], {}, "is empty"),
        ([GOOD, "{oops\n"], {}, "line 2: not JSON"),
        ([GOOD, "\n", "[1]\n"], {}, "line 3: a list, not an object"),
        ([GOOD, {"prompt": "q", "gold": "a"}], {}, r"line 2: no field 'question'; it has 'prompt', "
         r"'gold'\. Name the field by question="),
        ([GOOD], {"answer": "gold"}, "no field 'gold'; it has 'question', 'answer'"),
        ([{"question": "q", "answer": None}], {}, "field 'answer' is null"),
        ([{"question": " ", "answer": "a"}], {}, "field 'question' is"),
        ([{"question": "q", "answer": ["a"]}], {}, "not text or a number"),
        ([{"question": "q", "answer": True}], {}, "not text or a number"),
        ([{"id": 7, **GOOD}, {"id": 7, **GOOD}], {}, "line 2: the id '7' was given on line 1"),
        ([{"choices": ["x"], **GOOD}], {"verifier": "choice"}, "list of 2 to 26"),
        ([{"choices": "x", **GOOD}], {"verifier": "choice"}, "list of 2 to 26"),
        ([{"choices": {"1": "x", "2": "y"}, **GOOD}], {"verifier": "choice"}, "capital letter"),
        ([{"question": "q", "answer": "C", "choices": ["x", "y"]}], {"verifier": "choice"},
         "'C' is none of the choices"),
        ([{"question": "q", "answer": "Paris"}], {"verifier": "choice"}, "none of the choices"),
        ([GOOD], {"n": 2}, r"n must lie in 1\.\.1"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_place(tmp_path, rows, options, says):
    path = write(tmp_path / "own.jsonl", *rows)
    with pytest.raises(BadInput, match=says):
        load_task(f"jsonl:{path}", **options)


def test_a_missing_file_a_folder_and_no_file_are_named(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        load_task(f"jsonl:{tmp_path / 'none.jsonl'}")
    with pytest.raises(BadInput, match="is a folder"):
        load_task(f"jsonl:{tmp_path}")
    with pytest.raises(BadInput, match="jsonl:FILE"):
        load_task("jsonl")


def test_bytes_that_are_no_text_are_named(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="UTF-8"):
        load_task(f"jsonl:{path}")


def test_an_unknown_verifier_lists_the_known_ones(tmp_path):
    with pytest.raises(UnknownName, match="choice, exact, math, number"):
        load_task("jsonl:" + write(tmp_path / "own.jsonl", GOOD), verifier="regex")


def test_judging_alone_needs_no_file():
    task = load_task("jsonl", n=0, verifier="number")
    assert task.verifier.check(Problem("own", {}, "50"), "Answer: 50 %").passed


def test_a_problem_without_reference_is_refused():
    with pytest.raises(BadInput, match="own"):
        load_task("jsonl", n=0).verifier.check(Problem("own", {}), "Answer: 1")


def test_own_arithmetic_is_asked_as_the_embedded_models_read_it(tmp_path):
    own = load_task("jsonl:" + write(tmp_path / "a.jsonl", {"question": "3+4*2", "answer": 11}))
    known = expressions.Expressions.parse_problem("3+4*2")
    for form in ("direct", "chain"):
        asked = own.render(own.problems[0], form, "compact")
        assert asked == expressions.TASK.render(known, form, "compact")
