import pytest
from told import PROBLEM, WORDS, Told
from toy_lab import Scripted, Toy, solve, toy

from evaluators.errors import BadInput
from reasoning.ledger import Budget
from search import SelfRefine
from search.self_refine import CRITIQUE, REVISE, approved
from search.strategies import parse, refuse_unfit

TASK = toy(30, length=6)


def plain(answers, critiques):
    """A model that gives these answers and critiques one after the other."""
    given, said = iter(answers), iter(critiques)

    def say(messages, prefix, seed):
        asked = messages[-1][1]
        text = next(said) if asked.startswith(CRITIQUE[:20]) else next(given)
        return text, "eos", len(text)

    return Told(say, dialect="plain")


def test_it_answers_is_criticised_and_answers_again_until_the_critique_approves():
    model = plain(["=5", "=3"], ["The sum is off.\nWRONG", "All right.\n**CORRECT**."])
    solution, ledger = solve(SelfRefine(rounds=5, critic="model"), WORDS, model, PROBLEM)
    assert (solution.answer, solution.chosen, solution.stopped_by) == ("3", 1, "accepted")
    assert [t.answer for t in solution.traces] == ["5", "3"]
    assert [seed for _, _, seed in model.asked] == [
        (0,), ("critique", 1), ("revision", 1), ("critique", 2)
    ]  # fmt: skip
    assert ledger.spent.tokens == sum(row.completion for row in ledger.rows) == 2 + 21 + 2 + 23
    assert all(row.discarded is None for row in ledger.rows)


def test_the_conversation_holds_every_answer_and_critique_before():
    model = plain(["=5", "=4", "=3"], ["one\nWRONG", "two\nWRONG"])
    solve(SelfRefine(rounds=2, critic="model"), WORDS, model, PROBLEM)
    messages = model.asked[-1][0]
    assert [role for role, _ in messages] == ["user", *["assistant", "user"] * 4]
    texts = [text for _, text in messages]
    assert texts[1::2] == ["=5", "one\nWRONG", "=4", "two\nWRONG"]
    assert texts[4::4] == [REVISE] * 2 and "CORRECT or WRONG"[:7] in texts[2]


@pytest.mark.parametrize(
    ("critique", "passed"),
    [
        ("CORRECT", True),
        ("Fine.\n\n  **Correct.**  \n\n", True),
        ("NOT CORRECT", False),
        ("This is CORRECT so far, but\nWRONG", False),
        ("CORRECT\nNo, wait.", False),
        ("", False),
    ],
)
def test_only_a_last_line_of_the_approving_word_approves(critique, passed):
    assert approved(critique, "CORRECT") is passed


def test_after_the_last_round_nothing_more_is_criticised():
    model = plain(["=5", "=4", "=3"], ["WRONG"] * 9)
    solution, ledger = solve(SelfRefine(rounds=2, critic="model"), WORDS, model, PROBLEM)
    assert (solution.answer, solution.stopped_by, len(ledger.rows)) == ("3", "done", 5)
    lone, ledger = solve(SelfRefine(rounds=0, critic="model"), WORDS, plain(["=5"], []), PROBLEM)
    assert (lone.answer, len(ledger.rows)) == ("5", 1)


def test_an_answer_that_cannot_be_read_leaves_the_one_before():
    model = plain(["=5", "no idea"], ["WRONG"] * 9)
    solution, ledger = solve(SelfRefine(rounds=1, critic="model"), WORDS, model, PROBLEM)
    assert (solution.answer, solution.chosen) == ("5", 0)
    assert [row.discarded for row in ledger.rows] == [None, None, "no answer"]


@pytest.mark.parametrize(
    ("tokens", "answer", "discarded"),
    [
        (1, None, ["budget"]),  # the first answer is cut
        (4, "5", [None, "critique cut by budget"]),
        (7, "5", [None, None]),  # the revision cannot be paid
        (8, "5", [None, None, "budget"]),
        (9, "3", [None, None, None]),
    ],
)
def test_the_budget_ends_it_with_what_there_is(tokens, answer, discarded):
    model = plain(["=5", "=3"], ["WRONG"] * 9)
    solution, ledger = solve(
        SelfRefine(rounds=None, critic="model"), WORDS, model, PROBLEM, Budget(tokens)
    )
    assert (solution.answer, solution.stopped_by) == (answer, "budget")
    assert [row.discarded for row in ledger.rows] == discarded
    assert ledger.spent.tokens == tokens


def test_the_tree_is_a_chain_of_whole_answers_with_their_critiques():
    model = plain(["=5", "=3"], ["WRONG", "CORRECT"])
    solution, _ = solve(SelfRefine(critic="model"), WORDS, model, PROBLEM)
    tree = solution.tree
    assert [(n.whole, n.depth, n.note["critique"]) for n in tree.nodes[1:]] == [
        (True, 1, "WRONG"), (True, 2, "CORRECT")
    ]  # fmt: skip
    assert tree.chosen == 2 and tree.trace(tree[2]).text == "=3"


def test_a_model_that_reads_no_critique_is_refused_with_what_works():
    with pytest.raises(BadInput, match="critic=step-verifier"):
        solve(SelfRefine(critic="model"), TASK, Scripted(), TASK.problems[0])


# -- a scorer as critic -----------------------------------------------------------------

STEPS = SelfRefine(rounds=None)


def test_the_revision_goes_on_from_before_the_first_bad_step():
    lines = {"": ["a\n"], "a\n": ["bad\n", "c\n"], "a\nbad\n": ["d\n"], "a\nbad\nd\n": ["=5"],
             "a\nc\n": ["=3"]}  # fmt: skip

    def say(messages, prefix, seed):
        text = lines[prefix][min(seed[-1], len(lines[prefix]) - 1)]
        return text, "eos" if "=" in text else "boundary", len(text)

    model = Told(say)
    solution, ledger = solve(SelfRefine(), WORDS, model, PROBLEM)
    assert (solution.answer, solution.stopped_by) == ("3", "accepted")
    # the whole first answer was written before it was criticised
    prefixes = [prefix for _, prefix, _ in model.asked]
    assert prefixes == ["", "a\n", "a\nbad\n", "a\nbad\nd\n", "a\n", "a\nc\n"]
    assert [t.text for t in solution.traces] == ["a\nbad\nd\n=5", "a\nc\n=3"]
    assert ledger.spent.tokens == sum(len(t) for t in ("a\n", "bad\n", "d\n", "=5", "c\n", "=3"))


def test_a_place_where_revisions_fail_is_left_for_the_step_before():
    def say(messages, prefix, seed):
        text = "bad\n" if prefix == "a\n" else "=3" if prefix in ("b\n", "a\nbad\n") else None
        if text is None:
            text = "ab"[min(seed[-1], 1)] + "\n"
        return text, "eos" if "=" in text else "boundary", len(text)

    model = Told(say)
    solution, _ = solve(
        SelfRefine(rounds=None, patience=2), WORDS, model, PROBLEM,
        Budget(99),
    )  # fmt: skip
    assert solution.traces[solution.chosen].text == "b\n=3"
    tries = [prefix for _, prefix, _ in model.asked if prefix == "a\n"]
    assert len(tries) == 3  # the first answer and two revisions


def test_critique_and_revision_solve_what_one_answer_does_not():
    right = [0, 0]
    for problem in TASK.problems:
        for arm, how in enumerate((SelfRefine(0), STEPS)):
            found, _ = solve(how, TASK, Scripted(0.5), problem, Budget(200))
            right[arm] += found.answer == problem.answer
    assert right[1] >= right[0] + 15


def test_without_an_approved_answer_the_best_one_is_given():
    solution, ledger = solve(STEPS, TASK, Scripted(0.0), TASK.problems[0], Budget(100))
    assert solution.stopped_by == "budget" and solution.answer is not None
    assert ledger.spent.tokens == 100
    scores = [t.score for t in solution.traces if t.answer is not None]
    assert solution.traces[solution.chosen].score == max(scores)


def test_rounds_are_counted():
    how = SelfRefine(2)
    solution, _ = solve(how, TASK, Scripted(0.0), TASK.problems[0])
    assert (len(solution.traces), solution.stopped_by) == (3, "done")


def test_a_likelihood_needs_to_know_what_is_good_enough():
    how = SelfRefine(critic="mean-likelihood")
    with pytest.raises(BadInput, match="accept"):
        refuse_unfit(how, TASK, Scripted())
    refuse_unfit(SelfRefine(critic="mean-likelihood", accept=-0.5), TASK, Scripted())


def test_unpaid_scores_approve_of_nothing():
    class Unpaid:
        knows, scale, needs, partial = "nothing", "unit", frozenset(), True

        async def score(self, problem, traces, ctx):
            return [None] * len(traces)

    solution, _ = solve(SelfRefine(1, critic=Unpaid()), TASK, Scripted(1.0), TASK.problems[0])
    assert (solution.stopped_by, solution.answer) == ("done", TASK.problems[0].answer)


@pytest.mark.parametrize(
    "text",
    ["rounds=-1", "patience=0", "critique_tokens=0", 'approve=" "',
     "temperature=0"],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(text):
    with pytest.raises(BadInput):
        parse(f"self-refine({text})")


def test_a_critic_that_rates_whole_traces_only_is_refused():
    with pytest.raises(BadInput, match="finished traces only"):
        refuse_unfit(SelfRefine(critic="verifier"), TASK, Scripted())


def test_a_task_without_a_step_verifier_is_refused_with_what_works():
    class Blind(Toy):
        step_verifier = None

    with pytest.raises(BadInput, match="critic=model"):
        refuse_unfit(SelfRefine(), Blind("blind", TASK.problems), Scripted())
