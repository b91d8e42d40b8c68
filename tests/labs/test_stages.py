"""Chains of stages out of a TOML file, and the ancestry of what they make."""

from __future__ import annotations

import json
import re
import shutil
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from evaluators.errors import BadInput, UnknownName
from labs import cli
from labs.ancestry_picture import as_svg, levels
from labs.manifest import MANIFEST, identity
from labs.stage import Stage
from labs.stages import read_chain, run_chain
from labs.student_ancestry import Ancestor, ancestry, as_text
from reasoning.models import embedded_folder
from reasoning.train.methods import METHODS, Method
from reasoning.train.recipe import Recipe

WHOLE = """
policy = "tiny-student"
seed = 3

[[stage]]
name = "sft"
method = "sft"
task = "expressions(ops=2),countdown(numbers=3)"
writer = "tiny"
problems = 12
samples = 2
steps = 4
batch = 8

[[stage]]
name = "judge"
method = "reward"
policy = "tiny"
kind = "outcome"
options = "ops=3"
problems = 10
temperature = 2.0

[[stage]]
name = "practice"
method = "grpo"
task = "expressions(ops=2)"
pool = 12
reward = "stage:judge"
steps = 2
batch = 2
samples = 4
max_tokens = 12
"""

PACKED = """
[[stage]]
name = "small"
method = "quantise"
task = "expressions(ops=2)"
problems = 4
"""
"""The last stage, where bitsandbytes is."""
if find_spec("bitsandbytes") is not None:
    WHOLE += PACKED


@dataclass(frozen=True)
class CopyRecipe(Recipe):
    """Makes nothing: the weights stay what they were. A `teacher` may look on."""

    teacher: str | None = None


def copy(data: Any, policy: str, folder: Path, recipe: Any, progress: Any, stop: Any) -> Path:
    """The policy's weights with another record, and a mark of the seed."""
    place = folder / "model"
    shutil.copytree(policy, place, dirs_exist_ok=True)
    (place / "seed.bin").write_bytes(bytes([recipe.seed]))
    (place / "training.json").write_text(
        json.dumps({"method": "copy", "recipe": {"seed": recipe.seed}, "spent": {"flops": 1e9}})
    )
    CALLS.append(place.parent.name)
    progress({"step": 1, "loss": 0.5})
    return place


CALLS: list[str] = []


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that is quick."""
    method = Method("copying", "copy", "CopyRecipe", "task", "copies")
    monkeypatch.setitem(METHODS, "copy", method)
    module = SimpleNamespace(copy=copy, CopyRecipe=CopyRecipe)
    monkeypatch.setitem(sys.modules, "copying", module)
    CALLS.clear()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "chain.toml"
    path.write_text(text)
    return path


def stage_of(name: str, method: str = "copy", **more: Any) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in more.items()]
    task = [] if "task" in more else ['task = "countdown"', "pool = 4"]
    head = ["[[stage]]", f'name = "{name}"', f'method = "{method}"']
    return "\n".join([*head, *(task if method == "copy" else []), *lines, ""])


def run(path: Path, folder: Path) -> dict[str, Path]:
    return run_chain(
        read_chain(path), folder, lambda stage: nullcontext(print), lambda stage, place: None
    )


# -- reading --------------------------------------------------------------------------


def test_a_stage_starts_from_the_last_policy_and_no_reward_model_is_one(tmp_path):
    reward = stage_of("judge", "reward", policy="tiny", problems=5)
    text = 'policy = "tiny-weak"\nseed = 4\n' + stage_of("a") + reward + stage_of("b", seed=9)
    a, judge, b = read_chain(written(tmp_path, text)).stages
    assert (a.policy, judge.policy, b.policy) == ("tiny-weak", "tiny", "stage:a")
    assert [one.settings["seed"] for one in (a, judge, b)] == [4, 4, 9]


def test_files_of_data_stand_beside_the_chain(tmp_path):
    [one] = read_chain(written(tmp_path, stage_of("a", "sft", data="rows.jsonl"))).stages
    assert one.source.data == (str(tmp_path / "rows.jsonl"),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no stage"),
        ("stages = 1", "setting in .*stages"),
        ("stage = [1", "no TOML"),
        ('[[stage]]\nname = "a"', "stage a needs method"),
        ('[[stage]]\nmethod = "sft"', "stage 1 needs name"),
        (stage_of("a b"), "letters, digits"),
        (stage_of("a") + stage_of("a"), "is there once"),
        (stage_of("a", "stf"), "unknown training method 'stf'. Did you mean 'sft'"),
        (stage_of("a", stepss=4), "Did you mean 'steps'"),
        (stage_of("a", steps="few"), "stage a: steps cannot be 'few'"),
        (stage_of("a", lr=-1), "lr must be above 0"),
        (stage_of("a", policy="stage:b") + stage_of("b"), "earlier stage .*'b'"),
        (stage_of("a") + stage_of("b", reward="stage:c"), "earlier stage .*'c'"),
        (stage_of("a", "quantise") + stage_of("b"), "stage b starts from what quantise makes"),
        (stage_of("a", "reward") + stage_of("b", policy="stage:a"), "from what reward makes"),
        ("stage = [1]", "stage 1 is no table"),
        ("policy = 3\n" + stage_of("a"), "needs policy, a text"),
    ],
)
def test_what_is_wrong_with_a_chain_is_told_before_anything_runs(text, told, tmp_path):
    with pytest.raises((BadInput, UnknownName), match=told):
        read_chain(written(tmp_path, text))


def test_a_chain_that_is_not_there_is_told_by_name(tmp_path, capsys):
    assert cli.main(["train", "chain", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err


# -- running --------------------------------------------------------------------------


def test_stages_hand_over_by_files_and_tell_their_parents(tmp_path):
    text = stage_of("a") + stage_of("b", teacher="stage:a", policy="tiny-student", seed=2)
    made = run(written(tmp_path, text), tmp_path / "run")
    record = json.loads((tmp_path / "run/b" / MANIFEST).read_text())
    assert record["parents"]["teacher"] == {
        "name": "stage:a", "weights": identity(str(made["a"])), "path": "../a/model"
    }  # fmt: skip
    assert record["parents"]["policy"]["name"] == "tiny-student"
    assert record["recipe"]["teacher"] == "stage:a", "no place of this machine in it"
    assert record["result"]["spent"] == {"flops": 1e9}


def test_a_chain_goes_on_at_the_stage_that_is_not_complete(tmp_path):
    path = written(tmp_path, stage_of("a") + stage_of("b") + stage_of("c"))

    def cut(stage: Stage, place: Path) -> None:
        if stage.name == "b":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_chain(read_chain(path), tmp_path / "run", lambda stage: nullcontext(print), cut)
    assert CALLS == ["a", "b"]
    run(path, tmp_path / "run")
    assert CALLS == ["a", "b", "c"]


def test_a_chain_that_was_moved_goes_on_where_it_is_now(tmp_path):
    path = written(tmp_path, stage_of("a") + stage_of("b", teacher="stage:a"))
    run(path, tmp_path / "run")
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    run(path, tmp_path / "elsewhere")
    assert CALLS == ["a", "b"]


def test_a_changed_stage_is_refused_and_so_is_one_whose_parent_was_made_anew(tmp_path):
    folder = tmp_path / "run"
    run(written(tmp_path, stage_of("a") + stage_of("b")), folder)
    with pytest.raises(BadInput, match="seed: 0 -> 5"):
        run(written(tmp_path, stage_of("a") + stage_of("b", seed=5)), folder)
    shutil.rmtree(folder / "a")
    with pytest.raises(BadInput, match=r"parents\.policy\.weights"):
        run(written(tmp_path, stage_of("a", seed=1) + stage_of("b")), folder)


def test_the_command_checks_a_chain_without_running_it(tmp_path, capsys):
    path = written(tmp_path, stage_of("a") + stage_of("b"))
    assert cli.main(["train", "chain", str(path), "--check", "--out", str(tmp_path / "run")]) == 0
    assert "b  copy from stage:a" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_sft_reward_model_grpo_and_fewer_bits_from_one_file_make_the_same_weights_again(
    tmp_path, capsys
):
    """Once in one go, once interrupted between the stages."""
    path = written(tmp_path, WHOLE)
    assert cli.main(["train", "chain", str(path), "--out", str(tmp_path / "one")]) == 0
    assert "train ancestry" in capsys.readouterr().out

    def cut(stage: Stage, place: Path) -> None:
        if stage.name == "judge":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_chain(read_chain(path), tmp_path / "two", lambda stage: nullcontext(print), cut)
    run(path, tmp_path / "two")
    for name in [stage.name for stage in read_chain(path).stages]:
        one, two = (json.loads((tmp_path / run / name / MANIFEST).read_text())
                    for run in ("one", "two"))  # fmt: skip
        assert one.pop("versions") == two.pop("versions")
        paths = [parent.pop("path", None) for parent in one["parents"].values()]
        assert paths == [parent.pop("path", None) for parent in two["parents"].values()]
        assert one == two
    text = as_text(ancestry(tmp_path / "one/practice"))
    assert re.search(r"^practice · grpo.*\n├─ policy: sft · sft", text)
    assert "reward: judge · reward/outcome" in text
    assert "data: problems of expressions(ops=2), paid by stage:judge" in text
    assert "writer: tiny · pretrained" in text


# -- ancestry -------------------------------------------------------------------------


def family() -> Ancestor:
    """A child of b and c; b of a; c of a and b; so a stands highest."""
    a = Ancestor("a", "policy", "A & Co", ("old",))
    b = Ancestor("b", "policy", "B", (), [a])
    c = Ancestor("c", "teacher", "C", (), [Ancestor("a", "policy", "A & Co", ("old",)), b])
    return Ancestor("d", "model", "D", (), [b, c])


def test_ancestry_is_told_as_a_tree_each_once():
    told = as_text(family()).split("\n")
    assert told == [
        "D",
        "├─ policy: B",
        "│  └─ policy: A & Co  (old)",
        "└─ teacher: C",
        "   ├─ policy: A & Co  (old)",
        "   └─ policy: B  (see above)",
    ]


def test_an_ancestor_stands_above_all_that_it_went_into():
    rows = levels(family())
    boxes = [sorted(key for key, way in row if not way) for row in rows]
    assert boxes == [["a"], ["b"], ["c"], ["d"]]
    ways = [sorted((key, way) for key, way in row if way) for row in rows]
    assert ways == [[], [("a", "c")], [("b", "d")], []]


def test_the_picture_has_a_box_for_each_and_an_arrow_for_each_parent():
    tree = ElementTree.fromstring(as_svg(family()))
    kinds = [element.tag.rpartition("}")[2] for element in tree.iter()]
    assert kinds.count("rect") == 4
    assert len([e for e in tree.iter() if e.get("marker-end")]) == 5
    words = [element.text for element in tree.iter() if element.tag.endswith("text")]
    assert "A & Co" in words and "teacher" in words


def test_ancestry_is_drawn_into_a_file(tmp_path, capsys):
    run(written(tmp_path, stage_of("a") + stage_of("b", teacher="stage:a")), tmp_path / "run")
    for name in ("x.svg", "x.html"):
        asked = ["train", "ancestry", str(tmp_path / "run/b"), "--save", str(tmp_path / name)]
        assert cli.main(asked) == 0
        assert "b · copy" in (tmp_path / name).read_text()
    assert "teacher: a · copy" in capsys.readouterr().out
    assert cli.main(["train", "ancestry", str(tmp_path / "run/b"), "--save", "x.png"]) == 2


def test_the_ancestry_of_a_chain_is_that_of_its_last_stages(tmp_path):
    run(written(tmp_path, stage_of("a") + stage_of("b", seed=1)), tmp_path / "line")
    assert as_text(ancestry(tmp_path / "line")).startswith("b · copy")
    fork = stage_of("a") + stage_of("b", seed=1) + stage_of("c", policy="stage:a", seed=2)
    run(written(tmp_path, fork), tmp_path / "fork")
    told = as_text(ancestry(tmp_path / "fork")).split("\n")
    assert told[0] == "fork · chain" and told[1].startswith("├─ b: b · copy")
    assert any(line.startswith("└─ c: c · copy") for line in told)


def test_a_training_that_changed_nothing_is_no_circle(tmp_path):
    made = run(written(tmp_path, stage_of("a") + stage_of("b")), tmp_path / "run")
    assert identity(str(made["a"])) == identity(str(made["b"]))
    assert as_text(ancestry(made["b"])).split("\n")[1].startswith("├─ policy: a · copy")
    assert len(levels(ancestry(made["b"]))) == 3


def test_records_that_go_round_in_a_circle_are_refused(tmp_path):
    run(written(tmp_path, stage_of("a")), tmp_path)
    path = tmp_path / "a/model/training.json"
    path.write_text(json.dumps({"method": "copy", "parent": {"place": "a", "path": "."}}))
    (tmp_path / "a" / MANIFEST).unlink()
    with pytest.raises(BadInput, match="circle"):
        ancestry(tmp_path / "a")


def test_a_parent_that_was_changed_since_is_told(tmp_path):
    run(written(tmp_path, stage_of("a") + stage_of("b", seed=7)), tmp_path / "run")
    (tmp_path / "run/a/model/seed.bin").write_bytes(b"other")
    assert "changed since" in as_text(ancestry(tmp_path / "run/b"))


def test_an_embedded_model_and_a_folder_without_a_record(tmp_path):
    assert as_text(ancestry(embedded_folder("tiny"))).startswith("tiny · pretrained")
    with pytest.raises(BadInput, match=r"training\.json"):
        ancestry(tmp_path)
