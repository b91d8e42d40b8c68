"""The tree of a search and what makes it grow: known shapes, prompts, ends, merging, discards."""

from __future__ import annotations

import pytest

from evaluators.errors import BadInput
from reasoning.core import Completion, Context, Message, Prompt, SeedPath, Usage
from reasoning.ledger import Budget, Ledger
from reasoning.loop import run
from search.best_first import BestFirst
from search.scorers import StepsChecked
from search.tree import SearchTree
from search.tree.grow import Grower
from search.tree.settings import TreeSampler
from tests.search.toy_lab import Scripted, StepJudge, toy

PROMPT = Prompt((Message("user", "1+2:"),))


def grown(tokens: int = 400, right: float = 1.0, **settings) -> Grower:
    task = toy(1)
    context = Context(task, Scripted(right), Ledger(Budget(tokens=tokens)), SeedPath(0, ("p",)))
    sampler = TreeSampler(scorer=StepsChecked(StepJudge()), **settings)
    return sampler.grower(task.problems[0], context)


def leaf(grower: Grower):
    """Grow one trace to its end, one child at a time."""
    node = grower.tree.root
    while not node.closed:
        [[node]] = run(grower.expand([(node, 1)]))
    return node


def test_a_path_and_its_texts_are_read_off_the_parents() -> None:
    tree = SearchTree(PROMPT)
    a = tree.add(tree.root, "a\n", tokens=2)
    b = tree.add(a, "b\n", tokens=3)
    other = tree.add(tree.root, "c\n", tokens=1)
    assert [node.id for node in tree.path(b)] == [a.id, b.id]
    assert tree.texts(b) == ["a\n", "b\n"]
    assert (b.depth, b.total, other.total) == (2, 5, 1)
    assert tree.leaves() == [b, other]


def test_a_whole_trace_does_not_follow_its_parents() -> None:
    tree = SearchTree(PROMPT)
    first = tree.add(tree.root, "wrong", tokens=9, whole=True, over=True)
    second = tree.add(first, "better", tokens=4, whole=True, over=True, answer="7")
    assert tree.trace(second).text == "better"
    assert (second.total, second.depth) == (4, 2)


def test_the_prompt_at_a_node_is_what_extending_step_by_step_gives() -> None:
    tree = SearchTree(PROMPT)
    steps = [
        Completion("12\n", "boundary", Usage(completion=3), (1, 2, 3)),
        Completion("9", "stop", Usage(completion=2), (4, 5)),
        Completion("\n8", "length", Usage(completion=2), (6, 7)),
    ]
    node, prompt = tree.root, PROMPT
    for step in steps:
        node = tree.add(node, step.text, ids=step.token_ids, finish=step.finish)
        prompt = prompt.extended(step)
        assert tree.prompt_at(node) == prompt
    forced = tree.add(node, "wait", source="tool")
    assert tree.prompt_at(forced) == prompt.forced("wait")
    assert tree.prompt_at(tree.root) is PROMPT


def test_without_token_ids_a_prompt_is_its_text() -> None:
    tree = SearchTree(PROMPT)
    node = tree.add(tree.add(tree.root, "a", ids=(1,)), "b", ids=None)
    assert tree.prompt_at(node) == Prompt(PROMPT.messages, "ab", None)


def test_the_graph_has_every_node_and_its_edge() -> None:
    grower = grown()
    leaf(grower)
    graph = grower.tree.graph()
    assert graph.number_of_nodes() == len(grower.tree)
    assert set(graph.edges) == {(n.parent, n.id) for n in grower.tree.nodes[1:]}
    assert graph.nodes[1]["text"] == grower.tree[1].text


def test_a_trace_ends_where_the_model_ends_it_and_nothing_follows() -> None:
    grower = grown()
    end = leaf(grower)
    assert end.over and end.closed == "finished"
    assert end.answer == grower.problem.answer
    with pytest.raises(ValueError, match="ends a trace"):
        run(grower.expand([(end, 1)]))


def test_children_come_in_the_order_of_asking_with_scores_and_seeds_of_their_own() -> None:
    grower = grown(right=0.5, merge=False)
    root = grower.tree.root
    [made] = run(grower.expand([(root, 6)]))
    assert [node.id for node in made] == [1, 2, 3, 4, 5, 6]
    assert [node.key for node in made] == [f"0/p/node/0/{i}" for i in range(6)]
    [more] = run(grower.expand([(root, 1)]))
    assert more[0].key == "0/p/node/0/6"
    first, second = grower.problem.fields["numbers"][:2]
    assert all((n.text == f"{first + second}\n") == (n.score == 1.0) for n in made)
    assert 0 < sum(n.score for n in made if n.score is not None) < 6


def test_growing_in_two_calls_or_in_one_draws_the_same() -> None:
    together, apart = grown(right=0.5, merge=False), grown(right=0.5, merge=False)
    run(together.expand([(together.tree.root, 4)]))
    for _ in range(4):
        run(apart.expand([(apart.tree.root, 1)]))
    assert [n.text for n in together.tree] == [n.text for n in apart.tree]


def test_a_budget_ends_the_growth_and_every_token_is_on_the_ledger() -> None:
    for tokens in range(1, 60):
        grower = grown(tokens, right=0.5)
        run(grower.expand([(grower.tree.root, 30)]))
        ledger = grower.ctx.ledger
        assert ledger.spent.tokens == sum(node.tokens for node in grower.tree) <= tokens
        assert all(node.tokens > 0 for node in grower.tree.nodes[1:])


def test_what_no_finished_trace_runs_through_is_discarded_with_the_reason() -> None:
    grower = grown(right=0.5, merge=False)
    [made] = run(grower.expand([(grower.tree.root, 3)]))
    grower.close(made[:1], "pruned")
    node = made[1]
    while not node.closed:
        [[node]] = run(grower.expand([(node, 1)]))
    solution = grower.solution(node, "done")
    told = {row.key: row.discarded for row in grower.ctx.ledger.rows}
    assert told[made[0].key] == "pruned"
    assert told[made[2].key] == "not continued"
    assert all(told[step.key] is None for step in grower.tree.path(node))
    assert solution.answer == node.answer
    assert solution.chosen is not None and solution.traces[solution.chosen].text.endswith(node.text)
    assert grower.tree.settled and grower.tree.chosen == node.id


def test_a_trace_that_reaches_its_length_is_closed_and_has_no_answer() -> None:
    grower = grown(max_tokens=5)
    node = grower.tree.root
    while not node.closed:
        [[node]] = run(grower.expand([(node, 1)]))
    assert node.closed == "length" and node.total == 5 and node.answer is None
    assert run(grower.expand([(node, 2)])) == [[]]
    assert [trace.finish for trace in grower.solution(None, "done").traces] == ["length"]


def test_a_step_longer_than_its_cap_goes_on_as_the_next() -> None:
    class Speller:
        """Writes `abc`, ends the line, writes `=1` and ends: a character a token."""

        name, dialect, flops_per_token = "speller", "compact", 0.0
        can = frozenset({"continue", "tells_stop"})

        async def generate(self, prompt, sampling, ledger, seed):
            grant = ledger.reserve(purpose="s", model="speller", key=seed.text, prompt_tokens=1,
                                   max_tokens=sampling.max_tokens)  # fmt: skip
            rest = "abc\n=1"[len(prompt.prefix) :]
            line = rest[: rest.index("\n") + 1] if "\n" in rest else rest
            text = line[: grant.max_tokens]
            finish = "length" if text != line else "boundary" if text.endswith("\n") else "eos"
            usage = Usage(1, 0, max(1, len(text)))
            grant.settle(usage)
            return [Completion(text, finish, usage)]

    task = toy(1)
    steps = {}
    for cap in (1, 3, 9):
        model: object = Speller()
        context = Context(task, model, Ledger(), SeedPath(0, ("p",)))  # type: ignore[arg-type]
        grower = TreeSampler(scorer=StepsChecked(StepJudge()), step_tokens=cap).grower(
            task.problems[0], context
        )
        steps[cap] = grower.tree.texts(leaf(grower))
    assert steps == {
        1: ["a", "b", "c", "\n", "=", "1"],
        3: ["abc", "\n", "=1"],
        9: ["abc\n", "=1"],
    }


def test_equal_states_are_continued_once_and_share_the_score() -> None:
    from evaluators.tasks import load_task

    task = load_task("countdown", n=1)
    numbers = task.problems[0].fields["numbers"]
    a, b, *rest = sorted(numbers, reverse=True)
    line = f"{a}+{b}={a + b} {' '.join(map(str, rest))}\n"

    class Same:
        """Writes the same first step whatever it is asked."""

        name, dialect, flops_per_token = "same", "compact", 0.0
        can = frozenset({"continue", "tells_stop"})

        async def generate(self, prompt, sampling, ledger, seed):
            grant = ledger.reserve(purpose="s", model="same", key=seed.text, prompt_tokens=1,
                                   max_tokens=sampling.max_tokens)  # fmt: skip
            usage = Usage(1, 0, 5)
            grant.settle(usage)
            return [Completion(line, "boundary", usage)]

    for merge in (True, False):
        model: object = Same()
        context = Context(task, model, Ledger(), SeedPath(0, ("p",)))  # type: ignore[arg-type]
        grower = TreeSampler(merge=merge).grower(task.problems[0], context)
        [made] = run(grower.expand([(grower.tree.root, 3)]))
        assert [n.closed for n in made] == (["", *["equal state"] * 2] if merge else [""] * 3)
        assert [n.same_as for n in made] == ([-1, 1, 1] if merge else [-1] * 3)
        assert len({n.score for n in made}) == 1


def test_a_step_that_was_cut_within_its_line_stands_at_no_state() -> None:
    from evaluators.tasks import load_task

    task = load_task("countdown", n=1)
    a, b, *_ = task.problems[0].fields["numbers"]
    line = f"{a}+{b}={a + b}\n"

    class Cut:
        """The first child writes the line but its end, that child's child the end; the second
        child of the prompt writes the first half of the line, its child the other half."""

        name, dialect, flops_per_token = "cut", "compact", 0.0
        can = frozenset({"continue", "tells_stop"})

        async def generate(self, prompt, sampling, ledger, seed):
            grant = ledger.reserve(purpose="s", model="cut", key=seed.text, prompt_tokens=1,
                                   max_tokens=sampling.max_tokens)  # fmt: skip
            start = len(prompt.prefix)
            end = start + len(line) if start else (len(line) - 1, 3)[seed.parts[-1]]
            usage = Usage(1, 0, 5)
            grant.settle(usage)
            text = line[start:end]
            return [Completion(text, "boundary" if text.endswith("\n") else "length", usage)]

    model: object = Cut()
    context = Context(task, model, Ledger(), SeedPath(0, ("p",)))  # type: ignore[arg-type]
    grower = TreeSampler().grower(task.problems[0], context)
    [cut] = run(grower.expand([(grower.tree.root, 2)]))
    assert [node.closed for node in cut] == ["", ""]
    [[first], [second]] = run(grower.expand([(node, 1) for node in cut]))
    assert (first.closed, second.closed, second.same_as) == ("", "equal state", first.id)


def test_the_growing_tree_is_announced_to_those_who_look_on() -> None:
    seen = []
    task = toy(1)
    context = Context(
        task, Scripted(1.0), Ledger(Budget(tokens=99)), SeedPath(0, ("p",)),
        events=lambda kind, **data: seen.append((kind, data)),
    )  # fmt: skip
    solution = run(BestFirst(enough=1, scorer=StepsChecked(StepJudge())).solve(
        task.problems[0], context))  # fmt: skip
    assert seen[0][0] == "tree" and seen[0][1]["tree"] is solution.tree
    assert solution.answer == task.problems[0].answer


def test_a_scorer_of_finished_traces_is_refused_before_any_call() -> None:
    with pytest.raises(BadInput, match=r"finished traces only.*step-verifier"):
        BestFirst(scorer="verifier").prepare(toy(1))


@pytest.mark.parametrize("given", [[], [None, 1.0], [float("nan")], [float("inf")]])
def test_a_scorer_that_does_not_rate_each_trace_is_refused(given: list) -> None:
    class Odd:
        knows, scale, needs, partial = "nothing", "unit", frozenset(), True

        async def score(self, problem, traces, ctx):
            return given

    grower = grown()
    grower.scorer = Odd()
    with pytest.raises(BadInput, match="Odd must give a number or None for each of 1"):
        run(grower.expand([(grower.tree.root, 1)]))
