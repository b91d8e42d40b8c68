import json
from dataclasses import replace

import pytest

from evaluators import load_task
from evaluators.errors import BadInput, UnknownName
from evaluators.tasks.expressions import Expressions
from reasoning import collect_traces, tree_labels, tree_pairs, tree_traces
from reasoning.core import Message
from reasoning.data.branches import Branch, TraceTree, read, save, taken
from reasoning.data.rows import Piece, question
from reasoning.data.trees import values
from tests.reasoning.collecting import Scripted, sums

TASK = Expressions("expressions")
PROBLEM = replace(TASK.parse_problem("1+2*3"), id="expressions/x")


def tree(*nodes: Branch) -> TraceTree:
    """A tree of 1+2*3; without nodes the one that is drawn here.

    0 root ─┬ 1 `1+6` (right) ─┬ 2 `7` ── 3 `</think>7` right
            │                  └ 4 `8` ── 5 `</think>8` wrong
            ├ 6 `3*3` (wrong) ── 7 `9` ── 8 `</think>9` wrong
            └ 9 `1+6` again, an equal state: closed
    """
    drawn = nodes or (
        Branch(),
        Branch(0, "1+6\n", 4, "boundary", visits=4, value=3.0, logprob=-0.5),
        Branch(1, "7\n", 2, "boundary", score=0.9, logprob=-0.25),
        Branch(2, "</think>7", 3, "eos", True, "finished", "7", score=1.0, logprob=-0.25, key="a"),
        Branch(1, "8\n", 2, "boundary", score=0.2),
        Branch(4, "</think>8", 3, "eos", True, "finished", "8", score=0.0),
        Branch(0, "3*3\n", 4, "boundary", visits=2, value=0.5),
        Branch(6, "9\n", 2, "boundary", score=3.0),
        Branch(7, "</think>9", 3, "eos", True, "finished", "9"),
        Branch(0, "1+6\n", 4, "boundary", closed="equal state", same_as=1),
    )
    return TraceTree(
        "expressions", question(PROBLEM), (Message("user", "1+2*3<think>"),), drawn, chosen=3
    )


def test_the_value_by_verdict_is_the_share_of_right_ends_below():
    assert values(tree(), TASK) == [1 / 3, 0.5, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]


def test_the_value_by_search_is_what_it_backed_up_or_a_score_in_0_to_1():
    assert values(tree(), TASK, "search") == [
        None, 0.75, 0.9, 1.0, 0.2, 0.0, 0.25, None, None, 0.75
    ]  # fmt: skip


def test_the_exact_value_is_the_tasks_own():
    assert values(tree(), TASK, "exact") == [1, 1, 1, 1, 0, 0, 0, 0, 0, 1]
    with pytest.raises(UnknownName):
        values(tree(), TASK, "guess")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="by='verdict'"):
        values(replace(tree(), problem=question(sums(1).problems[0])), sums(1), "exact")


def test_every_end_is_a_row_with_the_values_of_its_steps():
    right, wrong, last = tree_traces(tree(), TASK)
    assert right.text == "1+6\n7\n</think>7" and right.labels == (0.5, 1.0, 1.0)
    assert right.correct and right.teacher["chosen"] and right.n_tokens == 9
    assert right.logprob == -1.0 and right.finish == "eos" and right.answer == "7"
    assert right.messages == (Message("user", "1+2*3<think>"),)
    assert wrong.labels == (0.5, 0.0, 0.0) and not wrong.correct and wrong.logprob is None
    assert last.labels == (0.0, 0.0, 0.0) and len({right.id, wrong.id, last.id}) == 3


def test_a_path_that_was_cut_is_a_failed_row():
    cut = Branch(0, "1+", 2, "length", closed="length")
    [row] = tree_traces(tree(Branch(), cut), TASK)
    assert row.finish == "length" and not row.correct and row.labels == (None,)
    assert row.verdict is not None and row.verdict["reason"] == "cut by length"


def test_a_step_that_holds_several_lines_labels_the_last_of_them():
    rollout = Branch(0, "1+6\n7\n</think>7", 9, "eos", True, "finished", "7")
    [row] = tree_traces(tree(Branch(), rollout), TASK)
    assert row.labels == (None, None, 1.0)


def test_forced_steps_are_forced_pieces():
    forced = Branch(0, "1+6\n", source="forced")
    end = Branch(1, "7\n</think>7", 5, "eos", True, "finished", "7")
    [row] = tree_traces(tree(Branch(), forced, end), TASK)
    assert row.pieces == (Piece("1+6\n", "forced"), Piece("7\n</think>7")) and row.n_tokens == 5


def test_siblings_are_pairs_where_their_values_differ():
    [second] = tree_pairs(tree(), TASK, margin=0.6)
    assert (second.chosen.text, second.rejected.text) == ("7\n", "8\n")
    assert second.prefix == "1+6\n" and second.origin == "tree"
    assert second.chosen.finish == second.rejected.finish == "boundary"
    first, also = tree_pairs(tree(), TASK, margin=0.5)
    assert (first.prefix, first.chosen.text, first.rejected.text) == ("", "1+6\n", "3*3\n")
    assert also.chosen.text == "7\n" and first.id != also.id
    assert {p.instance for p in (first, also)} == {tree_traces(tree(), TASK)[0].instance}


def test_no_pair_has_a_side_that_was_cut_or_forced_or_the_same_text():
    bad = Branch(0, "3*", 2, "length", closed="length", score=0.0)
    told = Branch(0, "3*3\n", 0, "boundary", score=0.0, source="forced")
    good = Branch(0, "1+6\n", 4, "boundary", score=1.0)
    twin = Branch(0, "1+6\n", 4, "boundary", score=0.1)
    assert not tree_pairs(tree(Branch(), good, bad, told, twin), TASK, "search")
    with pytest.raises(BadInput, match="margin"):
        tree_pairs(tree(), TASK, margin=0.0)


def test_best_with_worst_and_second_best_with_second_worst():
    nodes = [Branch(0, f"{name}\n", 2, "boundary", score=s) for name, s in zip(
        "abcd", (0.1, 1.0, 0.4, 0.9), strict=True)]  # fmt: skip
    pairs = tree_pairs(tree(Branch(), *nodes), TASK, "search", margin=0.3, each=5)
    assert [(p.chosen.text[0], p.rejected.text[0]) for p in pairs] == [("b", "a"), ("d", "c")]


def test_labels_for_a_process_model_follow_every_leaf():
    found = tree_labels(tree(), TASK)
    assert [row.pieces[1:] for row in found] == [
        ("1+6\n", "7\n", "</think>7"), ("1+6\n", "8\n", "</think>8"),
        ("3*3\n", "9\n", "</think>9"), ("1+6\n",),
    ]  # fmt: skip
    assert [row.right for row in found] == [True, False, False, None]
    assert found[0].labels == (None, 0.5, 1.0, 1.0) and found[3].labels == (None, 0.5)
    assert all(row.pieces[0] == "1+2*3<think>" for row in found)


def test_a_tree_is_saved_and_read(tmp_path):
    save([tree(), tree(Branch())], tmp_path / "trees.jsonl")
    assert read(tmp_path / "trees.jsonl") == [tree(), tree(Branch())]
    (tmp_path / "trees.jsonl").write_text(json.dumps({"task": "x"}) + "\n")
    with pytest.raises(BadInput, match=r"line 1 of .*no tree of traces"):
        read(tmp_path / "trees.jsonl")
    with pytest.raises(BadInput, match="before its parent"):
        TraceTree.from_json({**tree().to_json(), "nodes": [[-1], [1]]})


def test_search_trees_are_kept_and_recalled_with_the_traces(tmp_path):
    from reasoning import load_model
    from search import BeamSearch

    task, model = load_task("countdown", split="train", n=4), load_model("tiny-weak")
    how = BeamSearch(scorer="step-verifier")
    ask = {"strategy": how, "budget": 300, "trees": True, "progress": False, "out": tmp_path}
    rows = collect_traces(task, model, **ask)
    again = collect_traces(task, model, **ask)
    assert list(rows.trees) == [p.id for p in task.problems] and again.trees == rows.trees
    assert read(tmp_path / "trees.jsonl") == list(rows.trees.values())
    for name, grown in rows.trees.items():
        own = [row for row in rows if row.problem["id"] == name]
        drawn = tree_traces(grown, task)
        assert [(r.text, r.finish, r.correct) for r in drawn] == [
            (r.text, r.finish, r.correct) for r in own
        ]
        assert all(len(r.labels or ()) == r.text.rstrip("\n").count("\n") + 1 for r in drawn)
        for pair in tree_pairs(grown, task, "exact"):
            assert "".join(p.text for p in pair.chosen.pieces) != pair.rejected.text


def test_what_is_no_tree_is_passed_over():
    assert (
        taken(
            {"a": 1}, task="t", question={}, dialect="compact", seed=0, teacher={}
        ) is None
    )  # fmt: skip
    rows = collect_traces(sums(1), Scripted(), k=1, trees=True, progress=False)
    assert rows.trees == {} and len(rows) == 1
