import re
from itertools import product

import pytest
from letters import Speller, Words, Worth, best_word, matching, words
from toy_lab import Scripted, solve, toy

from evaluators.errors import BadInput
from evaluators.problem import Problem
from reasoning.core import Completion, Usage
from reasoning.ledger import Budget
from search.propose import listed
from search.tree_of_thoughts import TreeOfThoughts

TASK, PROBLEM = words()


def tot(worth, **settings):
    return TreeOfThoughts(scorer=Worth(worth), **settings)


@pytest.mark.parametrize("order", ["breadth", "depth"])
def test_it_finds_the_word_that_brute_force_finds(order):
    worth = matching("abbabaab")
    strategy = tot(worth, order=order, thoughts=12, breadth=2, prune=0.0)
    solution, _ = solve(strategy, TASK, Speller(8), PROBLEM)
    assert solution.answer == best_word("ab", 8, worth) == "abbabaab"


def test_breadth_first_keeps_the_best_of_each_level():
    worth = {"a": 1, "b": 2, "c": 4}
    strategy = tot(
        lambda w: sum(worth[c] * 5.0**-i for i, c in enumerate(w)) / 9, thoughts=12, breadth=3
    )
    odds = dict.fromkeys("abc", 1 / 3)
    tree = solve(strategy, TASK, Speller(3, odds), PROBLEM)[0].tree
    grown = {d: [] for d in range(3)}
    for node in tree.nodes:
        if node.children:
            grown[node.depth].append("".join(tree.texts(node)).replace("\n", ""))
    # beam search by hand over all words of one and of two letters
    assert sorted(grown[1]) == ["a", "b", "c"]
    best = sorted(map("".join, product("abc", repeat=2)),
                  key=lambda w: -sum(worth[c] * 5.0**-i for i, c in enumerate(w)))[:3]  # fmt: skip
    assert sorted(grown[2]) == sorted(best)
    assert {n.closed for n in tree.nodes if n.depth == 2 and not n.children} <= {
        "pruned", "equal state",
    }  # fmt: skip


def test_breadth_first_draws_so_many_thoughts_for_so_many_states():
    strategy = tot(lambda w: 0.5, thoughts=3, breadth=2, merge=False)
    model = Speller(4)
    solve(strategy, TASK, model, PROBLEM)
    levels = [len(prefix) // 2 for prefix in model.asked]
    assert [levels.count(d) for d in range(4)] == [3, 6, 6, 6]


def test_depth_first_goes_on_from_the_best_and_back_to_the_next_best():
    worth = {"a": 0.9, "b": 0.4, "c": 0.1}
    strategy = tot(
        lambda w: worth[w[0]] if len(w) < 2 else 0.3, order="depth", thoughts=20, prune=0.2
    )
    odds = dict.fromkeys("abc", 1 / 3)
    model = Speller(3, odds)
    tree = solve(strategy, TASK, model, PROBLEM)[0].tree
    order = [prefix.replace("\n", "")[:1] for prefix in model.asked if prefix]
    assert order == sorted(order) and set(order) == {"a", "b"}  # 'c' is pruned
    [left] = [n for n in tree.children(tree.root) if n.text == "c\n" and n.same_as < 0]
    assert (left.closed, left.children) == ("pruned", [])


def test_depth_first_does_not_look_at_a_state_twice_in_a_round():
    class Circle(Words):
        def state_key(self, problem, steps):
            return len("".join(steps)) // 2 % 2  # two states, one after the other

    task = Circle("words", (PROBLEM,))
    strategy = tot(lambda w: 0.5, order="depth", thoughts=2)
    solution, _ = solve(strategy, task, Speller(50), PROBLEM)
    assert solution.stopped_by == "done" and len(solution.tree) == 7


def test_steps_count_the_nodes_that_were_looked_at():
    for order in ("breadth", "depth"):
        strategy = tot(lambda w: 0.5, order=order, thoughts=2, steps=5, merge=False)
        tree = solve(strategy, TASK, Speller(9), PROBLEM)[0].tree
        assert len([node for node in tree.nodes if node.children]) == 5


def test_rounds_go_on_from_what_is_known():
    strategy = tot(lambda w: w.count("b") / 6, thoughts=2, breadth=1, rounds=None)
    model = Speller(6)
    solution, ledger = solve(strategy, TASK, model, PROBLEM, Budget(tokens=400))
    assert solution.stopped_by == "budget" and ledger.spent.tokens == model.completion <= 400
    assert solution.answer == "bbbbbb"
    grown = [tuple(solution.tree.texts(n)) for n in solution.tree.nodes if n.children]
    assert len(grown) == len(set(grown))
    once, _ = solve(tot(lambda w: 0.1, thoughts=2, breadth=1, rounds=2), TASK, model, PROBLEM)
    assert once.tree.root.draws == 4


def test_it_stops_at_the_first_accepted_trace():
    strategy = tot(lambda w: 1.0, stop="first-accepted", order="depth")
    solution, _ = solve(strategy, TASK, Speller(3), PROBLEM)
    assert (solution.stopped_by, len(solution.tree)) == ("accepted", 16)


@pytest.mark.parametrize("order", ["breadth", "depth"])
@pytest.mark.parametrize("tokens", [0, 1, 7, 30, 200])
def test_it_spends_no_more_than_the_budget(order, tokens):
    model = Speller(5)
    strategy = tot(lambda w: w.count("a") / 5, order=order, thoughts=2, breadth=2, rounds=None)
    solution, ledger = solve(strategy, TASK, model, PROBLEM, Budget(tokens=tokens))
    assert ledger.spent.tokens == model.completion <= tokens
    assert solution.stopped_by == "budget"


# -- proposals and votes ------------------------------------------------------------------


class Plain(Words):
    """Ends with a line `Answer: …`."""

    def render(self, problem, format, dialect):
        return "Spell {a word}."

    def extract(self, text):
        found = re.search(r"Answer: (\w+)", text)
        return found.group(1) if found else None


class Told:
    """Follows instructions: lists every letter that may come next, votes for the trace with the
    most 'b'. `asked` has the prompts."""

    name, dialect, flops_per_token = "told", "plain", 0.0
    can = frozenset({"tells_stop"})

    def __init__(self, length=3, listing="{at}. {letter}", votes=None) -> None:
        self.length, self.listing, self.votes = length, listing, votes
        self.asked, self.completion = [], 0

    def fingerprint(self):
        return {"name": self.name}

    async def generate(self, prompt, sampling, ledger, seed):
        grant = ledger.reserve(
            purpose="sample", model=self.name, key=seed.text, max_tokens=sampling.max_tokens
        )
        if grant.empty:
            return [Completion("", "budget", Usage())]
        text = prompt.messages[-1].content
        assert text.startswith("Spell {a word}.")
        self.asked.append(text)
        said = self._vote(text) if "Reply with its number" in text else self._list(text)
        finish = "eos"
        if len(said) > grant.max_tokens:
            said = said[: grant.max_tokens]
            finish = "budget" if grant.max_tokens < sampling.max_tokens else "length"
        used = max(1, len(said))
        self.completion += used
        grant.settle(Usage(0, 0, used))
        return [Completion(said, finish, Usage(0, 0, used))]

    def _list(self, text):
        steps = text.split("Steps so far:\n")[1].split("\n\nList")[0]
        so_far = "" if steps == "(none)" else steps.replace("\n", "")
        if len(so_far) == self.length:
            return f"- Answer: {so_far}"
        lines = [self.listing.format(at=at, letter=c) for at, c in enumerate("abc", 1)]
        return "\n".join(lines)

    def _vote(self, text):
        if self.votes is not None:
            return self.votes
        parts = re.split(r"\(\d+\)\n", text.split("\n\nWhich")[0])[1:]
        counts = [part.count("b") for part in parts]
        return f"I vote for {1 + counts.index(max(counts))}"


PLAIN = Plain("words", (Problem("words/0", {}),))


@pytest.mark.parametrize("order", ["breadth", "depth"])
def test_proposed_steps_and_votes_lead_to_the_answer(order):
    strategy = TreeOfThoughts(generate="propose", evaluate="vote", order=order, breadth=2, steps=7)
    model = Told()
    solution, ledger = solve(strategy, PLAIN, model, PLAIN.problems[0])
    assert solution.answer == "bbb"
    assert ledger.spent.tokens == model.completion
    tree = solution.tree
    lists = [text for text in model.asked if "List up to 5" in text]
    assert sum(node.tokens for node in tree.nodes) == sum(
        row.completion for row in ledger.rows if "propose" in row.key
    )
    assert len(lists) == len([node for node in tree.nodes if node.children])
    assert tree.trace(tree[tree.chosen]).text == "b\nb\nb\nAnswer: bbb"


def test_a_call_whose_steps_led_anywhere_is_not_discarded():
    strategy = TreeOfThoughts(generate="propose", scorer=Worth(lambda w: float("b" in w)),
                              breadth=1)  # fmt: skip
    solution, ledger = solve(strategy, PLAIN, Told(), PLAIN.problems[0])
    assert solution.answer is not None
    assert all(row.discarded is None for row in ledger.rows)


@pytest.mark.parametrize(
    ("text", "steps"),
    [("1. a\n2) b\n(3) c", ["a", "b", "c"]), ("- a\n* b\n• c\nd", ["a", "b", "c"]),
     ("\na\n\na\nb", ["a", "b"]), ("Step 1: 3+4 = 7\n2*3 = 6", ["3+4 = 7", "2*3 = 6"]),
     ("12 + 3 = 15\n-4 + 2 = -2", ["12 + 3 = 15", "-4 + 2 = -2"]), ("", [])],
)  # fmt: skip
def test_a_list_is_read_line_by_line_without_its_marks(text, steps):
    assert listed(text, 3) == steps


def test_a_step_that_was_cut_is_not_taken():
    strategy = TreeOfThoughts(generate="propose", scorer=Worth(lambda w: 1.0), steps=1)
    solution, ledger = solve(strategy, PLAIN, Told(), PLAIN.problems[0], Budget(tokens=7))
    assert [node.text for node in solution.tree.nodes[1:]] == ["a\n"]  # of "1. a\n2. "
    solution, ledger = solve(strategy, PLAIN, Told(), PLAIN.problems[0], Budget(tokens=3))
    assert len(solution.tree) == 1
    assert [row.discarded for row in ledger.rows] == ["no step could be read"]


def test_votes_that_name_nothing_are_discarded_and_leave_no_score():
    strategy = TreeOfThoughts(generate="propose", evaluate="vote", steps=1)
    solution, ledger = solve(strategy, PLAIN, Told(votes="all good"), PLAIN.problems[0])
    assert {node.score for node in solution.tree.nodes} == {None}
    reasons = [row.discarded for row in ledger.rows if "vote" in row.key]
    assert reasons == ["a vote without a number"] * 3


def test_a_vote_is_the_share_of_the_votes():
    class Torn(Told):
        def _vote(self, text):
            return ["1", "2", "2"][sum("Reply" in t for t in self.asked) - 1]

    strategy = TreeOfThoughts(generate="propose", evaluate="vote", steps=1)
    tree = solve(strategy, PLAIN, Torn(), PLAIN.problems[0])[0].tree
    assert [n.score for n in tree.nodes[1:]] == pytest.approx([1 / 3, 2 / 3, 0])


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"generate": "propose"}, "generate=sample"), ({"evaluate": "vote"}, "evaluate=value")],
)
def test_a_compact_model_is_refused_before_any_call_with_what_works(settings, says):
    model = Scripted()
    with pytest.raises(BadInput, match=says):
        solve(TreeOfThoughts(**settings), toy(1), model, toy(1).problems[0])
    assert model.calls == 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"thoughts": 0}, "thoughts"), ({"breadth": 0}, "breadth"), ({"rounds": 0}, "rounds"),
     ({"steps": 0}, "steps"), ({"votes": 0}, "votes"), ({"order": "wide"}, "'depth'"),
     ({"generate": "dream"}, "'propose'"), ({"evaluate": "guess"}, "'vote'"),
     ({"stop": "late"}, "nothing"), ({"stop": "first-accepted", "evaluate": "vote"}, "leave out"),
     ({"temperature": 0}, "above 0")],
)  # fmt: skip
def test_wrong_settings_are_refused_by_name(settings, says):
    with pytest.raises(BadInput, match=says):
        TreeOfThoughts(**settings)


def test_checked_steps_lead_to_the_right_sum():
    task = toy(20, 6)  # a sample is right once in 32
    answers = [solve(TreeOfThoughts(), task, Scripted(0.5), p)[0].answer for p in task.problems]
    assert sum(a == p.answer for a, p in zip(answers, task.problems, strict=True)) >= 15
