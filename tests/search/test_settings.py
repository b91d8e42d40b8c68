import subprocess
import sys

import pytest

import search
from evaluators.errors import UnknownName
from search import CompareSettings, compare_from


def test_every_public_name_is_there():
    for name in search.__all__:
        assert getattr(search, name) is not None
    with pytest.raises(AttributeError, match="no name 'beem'"):
        search.beem  # noqa: B018
    assert search.compare.__name__ == "compare"


def test_importing_search_is_light():
    code = (
        "import sys, search; from search import compare, BestOfN, CompareSettings\n"
        "heavy = ('torch', 'transformers', 'trl', 'peft', 'datasets', 'matplotlib', 'numba')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_name_task_model_and_strategies(monkeypatch, tmp_path):
    from toy_lab import Scripted

    import reasoning.models

    settings = CompareSettings(
        task="expressions", strategy=("best-of-n(n=2)",), budget=(16,), problems=3,
        options={"ops": 2}, model_options={"max_rows": 8}, out=str(tmp_path / "run"),
    )  # fmt: skip

    class Silent(Scripted):
        async def generate(self, prompt, sampling, ledger, seed):
            from reasoning.core import Completion, Usage

            ledger.reserve(purpose="s", model="m", key=seed.text, max_tokens=1).settle(
                Usage(1, 0, 1)
            )
            return [Completion("</think>7", "eos", Usage(1, 0, 1), (1,), (0.0,))]

    asked = []
    monkeypatch.setattr(
        reasoning.models, "load_model", lambda name, **o: asked.append((name, o)) or Silent()
    )
    report = compare_from(settings, progress=False)
    assert asked == [("tiny", {"max_rows": 8})]
    assert len(report.cells) == 3 and report.settings["task"] == "expressions"
    assert (tmp_path / "run" / "events.jsonl").exists()


def test_a_wrong_strategy_is_found_before_a_model_is_loaded(monkeypatch):
    import reasoning.models

    def refuse(name):
        raise AssertionError("the model was loaded first")

    monkeypatch.setattr(reasoning.models, "load_model", refuse)
    with pytest.raises(UnknownName, match="best-of-n"):
        compare_from(CompareSettings(strategy=("best-of-m",)))
    with pytest.raises(UnknownName, match="expressions"):
        compare_from(CompareSettings(task="expresions"))
