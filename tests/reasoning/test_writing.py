"""Problem writing: what is asked, what becomes of every reply, whose answer a problem gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluators import load_task
from evaluators.errors import BadInput
from evaluators.problem import Problem
from reasoning.core import Completion, Usage
from reasoning.data import problems as kept
from reasoning.data.decontaminate import canonical
from reasoning.data.personas import PERSONAS, asked, beginning, read_problem, text_of
from reasoning.data.writing import write_problems
from reasoning.ledger import Budget

SEEDS = load_task("expressions", "train", n=3, ops=2)
OWN = load_task("jsonl", n=0)
FERRY = {"question": "A ferry carries 36 cars on each trip. How many on 5 trips?"}
PAGES = {"question": "Noor reads 14 pages a day. How many does she read in 4 days?"}
PROSE = replace(OWN, problems=(Problem("own/1", FERRY, "180"), Problem("own/2", PAGES, "56")))


class Writer:
    """Says given texts in turn, whatever is asked; answers what `solve` has answers for."""

    can = frozenset({"n"})
    flops_per_token = 2.0

    def __init__(self, texts, dialect="plain", solve=None, finish="eos"):
        self.name, self.dialect, self.finish = "writer", dialect, finish
        self.texts, self.solve, self.prompts = list(texts), solve or {}, []

    async def generate(self, prompt, sampling, ledger, seed):
        made = []
        text = prompt.messages[-1].content
        key = next((k for k in self.solve if k in text and "Problem:" not in text), None)
        if key is None:
            self.prompts.append(text)
        for at in range(sampling.n):
            grant = ledger.reserve(purpose="sample", model="writer", key=seed.child(at).text,
                                   max_tokens=sampling.max_tokens)  # fmt: skip
            usage = Usage(1, 0, 5)
            grant.settle(usage)
            said = self.solve[key][at] if key else self.texts[(len(self.prompts) - 1)
                                                              % len(self.texts)]  # fmt: skip
            made.append(Completion(said, self.finish, usage))
        return made


def states(written):
    return [each.state for each in written.proposals]


def test_a_persona_and_seeds_are_in_the_request():
    writer = Writer(["Problem: 3*4-5"])
    found = write_problems(SEEDS, writer, 1, calls=1, personas=["a baker"])
    assert "You are a baker." in writer.prompts[0]
    assert all(text_of(SEEDS, p) in writer.prompts[0] for p in SEEDS.problems)
    (new,) = found.problems
    assert (new.fields["expression"], new.answer) == ("3*4-5", "7")
    assert new.meta["persona"] == "a baker" and new.meta["verified"] == "program"
    assert new.meta["after"] in {p.id for p in SEEDS.problems}


def test_every_reply_has_a_fate():
    test = load_task("expressions", "test", n=1, ops=2).problems[0].fields["expression"]
    seed = SEEDS.problems[0].fields["expression"]
    writer = Writer(["1+2*3", "3*2+1", "hello", seed, test, "9-2-1", "5/0"])
    found = write_problems(SEEDS, writer, 9, calls=7)
    assert states(found) == ["kept", "repeats another", "unreadable", "repeats another",
                             "an instance kept for testing", "kept", "unreadable"]  # fmt: skip
    assert [p.id for p in found.problems] == ["expressions/written-0", "expressions/written-1"]
    assert "7 proposals in 7 calls" in str(found) and "2 kept" in str(found)
    assert found.new is not None and found.new.texts == 2


def test_no_more_are_kept_than_were_wanted():
    found = write_problems(SEEDS, Writer([f"{i}+1" for i in range(20, 60)]), 3)
    assert len(found.problems) == 3 and states(found).count("more than wanted") > 0


def test_what_was_cut_is_no_problem():
    found = write_problems(SEEDS, Writer(["1+2+"], finish="length"), 1, calls=2)
    assert states(found) == ["cut by length"] * 2 and not found.problems


def test_countdown_is_kept_where_the_solver_finds_a_way():
    task = load_task("countdown", "train", n=2)
    texts = ["1 1 1=90", "2 3 7 1=42", "7 3 2 1=42"]
    found = write_problems(task, Writer(texts), 5, calls=3)
    assert states(found)[0] == "without a solution" and states(found)[1:] in (
        ["kept", "repeats another"], ["an instance kept for testing"] * 2)  # fmt: skip


def test_an_answer_nobody_computes_needs_agreement():
    first, second, third = (f"Problem: How many is {n} and one?" for n in ("six", "ten", "two"))
    solve = {"six": ["Answer: 7"] * 3 + ["Answer: 8"] * 2,
             "ten": ["Answer: 11", "Answer: 12", "Answer: 13", "Answer: 11", "well"],
             "two": [""] * 5}  # fmt: skip
    found = write_problems(PROSE, Writer([first, second, third], solve=solve), 3, calls=3, near=1.0)
    assert states(found) == ["kept", "without agreement", "not answered"]
    (new,) = found.problems
    assert (
        new.answer == "7" and new.meta["agreement"] == 0.6 and new.meta["verified"] == "agreement"
    )


def test_prose_much_like_a_seed_or_like_another_is_left_out():
    again = "A ferry carries 37 cars on each trip. How many on 5 trips?"
    solve = {"An owl": ["Answer: 1"] * 5}
    texts = [again, "An owl flies at night?", "An owl flies at night, why?"]
    found = write_problems(PROSE, Writer(texts, solve=solve), 3, calls=3, near=0.4)
    assert states(found) == ["much like another", "kept", "much like another"]


def test_held_out_questions_are_not_written_again():
    held = replace(OWN, problems=(Problem("t", {"question": "How many legs has a spider?"}, "8"),))
    writer = Writer(["Problem: how many  legs has a SPIDER?"])
    found = write_problems(PROSE, writer, 1, calls=1, held_out=[held])
    assert states(found) == ["a held-out question's text"]


def test_a_model_without_english_goes_on_from_a_seed():
    writer = Writer(["+1"], dialect="compact")
    found = write_problems(SEEDS, writer, 4, calls=4)
    texts = [p.fields["expression"] for p in SEEDS.problems]
    assert all(any(t.startswith(start) for t in texts) for start in writer.prompts)
    assert all(each.persona is None for each in found.proposals)
    assert all(each.text.endswith("+1") for each in found.proposals)


def test_a_beginning_never_ends_inside_a_number():
    rng = np.random.default_rng(0)
    for _ in range(50):
        text = "123+456*789"
        start = beginning(text, rng)
        assert text.startswith(start) and 0 < len(start) <= len(text)
        rest = text[len(start) :]
        assert not (start[-1].isdigit() and rest[:1].isdigit())


@pytest.mark.parametrize(
    ("text", "want"),
    [("Problem: 1+2", "1+2"), ("Sure!\nProblem: 1+2\nAnswer: 3", "1+2"), ("`1+2`", "1+2"),
     ("1+2=3", "1+2"), ("1+2 =", "1+2"), ("1+2\n\nIt is nice.", "1+2"), ("", None), ("no", None)],
    ids=range(8),
)  # fmt: skip
def test_a_problem_is_read_out_of_a_reply(text, want):
    found = read_problem(SEEDS, text)
    assert (found.fields["expression"] if found else None) == want


def test_the_same_seed_writes_the_same_prompts_and_a_budget_ends_it():
    one, two, other = (Writer(["1+2"], "plain") for _ in range(3))
    write_problems(SEEDS, one, 2, calls=4, seed=1)
    write_problems(SEEDS, two, 2, calls=4, seed=1)
    write_problems(SEEDS, other, 2, calls=4, seed=2)
    assert one.prompts == two.prompts != other.prompts
    found = write_problems(SEEDS, Writer(["no"]), 50, calls=400, budget=Budget(calls=10))
    assert found.ledger.spent.calls == 10


def test_a_writer_that_is_not_there_is_told_and_one_that_stumbles_is_counted():
    class Broken(Writer):
        async def generate(self, prompt, sampling, ledger, seed):
            if len(self.prompts) >= self.breaks:
                raise ConnectionError("nobody there")
            return await super().generate(prompt, sampling, ledger, seed)

    gone, stumbling = Broken(["1+2"]), Broken(["9-2-1", "1+2*3"])
    gone.breaks, stumbling.breaks = 0, 2
    with pytest.raises(BadInput, match="nobody there"):
        write_problems(SEEDS, gone, 2, calls=4)
    found = write_problems(SEEDS, stumbling, 2, calls=4)
    assert [s.partition(":")[0] for s in states(found)] == ["kept", "kept"] + ["call failed"] * 2


def test_nothing_to_write_after_or_a_wrong_setting_is_refused():
    with pytest.raises(BadInput, match="n=…"):
        write_problems(replace(SEEDS, problems=()), Writer(["x"]))
    with pytest.raises(BadInput, match="temperature"):
        write_problems(SEEDS, Writer(["x"]), temperature=0)
    with pytest.raises(BadInput, match="temprature"):
        write_problems(SEEDS, Writer(["x"]), temprature=1)
    assert asked(["1+2"], None).startswith("These") and len(set(PERSONAS)) == len(PERSONAS)


def test_written_problems_are_a_task_again(tmp_path):
    found = write_problems(SEEDS, Writer(["1+2*3", "9-2-1"]), 2, calls=2)
    place = kept.save(found.problems, tmp_path / "new" / "problems.jsonl")
    task = kept.with_problems(SEEDS, place)
    assert list(task.problems) == list(found.problems)
    assert canonical("expressions", task.problems[0]).endswith(task.problems[0].meta["key"])
    with pytest.raises(BadInput, match="none of task"):
        kept.with_problems(load_task("countdown", n=0), place)
    prose = kept.save(PROSE.problems, tmp_path / "prose.jsonl")
    assert [p.answer for p in load_task(f"jsonl:{prose}").problems] == ["180", "56"]
    prose.write_text('{"id": 1}\n')
    with pytest.raises(BadInput, match="line 1"):
        kept.read(prose)
