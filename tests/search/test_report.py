import csv
import time
from dataclasses import replace

import numpy as np
import pytest
from toy_lab import Judge, Scripted, Toy, toy

from evaluators.errors import BadInput, UnknownName
from evaluators.metrics import bootstrap_interval, paired_bootstrap
from search import Report, compare
from search.report import RESAMPLING_SEED
from search.table import Table

ARMS = ["self-consistency", "best-of-n", "step-resample"]
TASK = toy(12)


@pytest.fixture(scope="module")
def report() -> Report:
    return compare(ARMS, TASK, Scripted(0.6), [16, 48], seeds=(0, 1))


def test_the_interval_is_that_of_metrics_on_the_same_data(report):
    cells = report.select("best-of-n", 48)
    want = bootstrap_interval(
        [float(cell.correct) for cell in cells], np.random.default_rng(RESAMPLING_SEED),
        [cell.problem for cell in cells],
    )  # fmt: skip
    assert report.row("best-of-n", 48).accuracy == want
    assert want.low < want.value < want.high


def test_the_difference_is_paired_by_problem_and_seed(report):
    a, b = (
        {(c.problem, c.seed): float(c.correct) for c in report.select(arm, 16)}
        for arm in ("step-resample", "self-consistency")
    )
    pairs = sorted(a, key=lambda pair: (pair[1], pair[0]))
    want = paired_bootstrap(
        [a[p] for p in pairs], [b[p] for p in pairs], np.random.default_rng(RESAMPLING_SEED),
        [problem for problem, _ in pairs],
    )  # fmt: skip
    found = {(d.arm, d.budget): d for d in report.differences()}
    assert len(found) == 4
    assert found["step-resample", "16"].difference == want
    assert found["step-resample", "16"].problems == 12
    assert not found["step-resample", "16"].same_knowledge
    assert report.differences("best-of-n")[0].baseline == "best-of-n"
    assert "knew different things" in str(report.differences_table())


def test_errors_are_left_out_of_pairs_and_counted_beside_the_accuracy(report):
    first = report.select("self-consistency", 16)[0]
    failed = replace(first, state="error", correct=False, reason="gone")
    cells = tuple(failed if c.place == first.place else c for c in report.cells)
    damaged = replace(report, cells=cells)
    row = damaged.row("self-consistency", 16)
    assert (row.settled, row.errors) == (23, 1)
    right = sum(c.correct for c in report.select("self-consistency", 16)) - first.correct
    assert row.accuracy.value == pytest.approx(right / 23)
    assert "1 errors, not counted as wrong" in damaged.caption()
    only = replace(report, cells=(failed,))
    assert only.row("self-consistency", 16).accuracy is None
    assert "-" in str(only.table())


@pytest.mark.parametrize("arm", ["self-consistency", "best-of-n"])
def test_a_pair_with_an_error_on_either_side_is_left_out(report, arm):
    first, *rest = report.select(arm, 48)
    failed = replace(first, state="error", correct=False)
    cells = tuple(failed if c.place == first.place else c for c in report.cells)
    [found] = [d for d in replace(report, cells=cells).differences() if d.arm == "best-of-n"
               and d.budget == "48"]  # fmt: skip
    other = "best-of-n" if arm == "self-consistency" else "self-consistency"
    mine = sum(c.correct for c in rest)
    theirs = sum(c.correct for c in report.select(other, 48)[1:])
    sign = 1 if arm == "best-of-n" else -1
    assert found.difference.value == pytest.approx(sign * (mine - theirs) / 23)


def test_means_are_over_settled_problems(report):
    cells, row = report.select("step-resample", 48), report.row("step-resample", 48)
    assert row.completion == pytest.approx(np.mean([c.completion for c in cells]))
    assert row.discarded == pytest.approx(np.mean([c.wasted for c in cells]))
    assert row.tokens == pytest.approx(np.mean([c.tokens for c in cells]))
    assert row.calls == pytest.approx(np.mean([c.calls for c in cells]))


def test_oracles_are_labelled_everywhere(report):
    assert {row.arm: row.oracle for row in report.rows()} == {
        "self-consistency": False, "best-of-n": True, "step-resample": True
    }  # fmt: skip
    assert "reference (oracle)" in str(report.table())
    [axes] = report.plot().axes
    labels = {line.get_label() for line in axes.containers}
    assert "best-of-n — oracle: knows the reference" in labels and "self-consistency" in labels
    dashed = [c.lines[0].get_linestyle() for c in axes.containers]
    assert dashed == ["-", "--", "--"]
    assert axes.get_xscale() == "log"


def test_the_chart_shows_itself_and_is_saved(report, tmp_path):
    figure = report.plot(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_the_csv_has_a_number_in_every_column(report, tmp_path):
    report.to_csv(tmp_path / "r.csv")
    rows = list(csv.DictReader((tmp_path / "r.csv").open()))
    assert len(rows) == 6
    first = report.rows()[0]
    assert rows[0]["arm"] == first.arm
    assert float(rows[0]["accuracy"]) == pytest.approx(first.accuracy.value)
    assert float(rows[0]["low"]) == pytest.approx(first.accuracy.low)


def test_a_report_comes_back_from_jsonl_and_from_a_run_folder(report, tmp_path):
    odd = replace(report.cells[0], answer="a\u2028b\ud800")
    report = replace(report, cells=(odd, *report.cells[1:]))
    report.to_jsonl(tmp_path / "r.jsonl")
    loaded = Report.load(tmp_path / "r.jsonl")
    assert loaded.cells == report.cells
    assert (loaded.settings, loaded.total) == (report.settings, report.total)
    assert str(loaded.table()) == str(report.table())
    run = compare(ARMS, TASK, Scripted(0.6), [16], out=tmp_path / "run")
    again = Report.load(tmp_path / "run", TASK)
    assert again.complete
    assert sorted(again.cells, key=str) == sorted(run.cells, key=str)


@pytest.mark.parametrize("text", ["", "{}\n", "nonsense\n", '{"kind": "cell"}\n', "[1]\n"])
def test_a_file_that_is_no_report_is_refused(tmp_path, text):
    (tmp_path / "r.jsonl").write_text(text)
    with pytest.raises(BadInput, match="is no report"):
        Report.load(tmp_path / "r.jsonl")


def test_a_report_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="nowhere"):
        Report.load(tmp_path / "nowhere")


def test_drill_down_shows_steps_verdicts_tokens_and_why_a_trace_ended(report):
    view = report.problem("toy/3", "best-of-n")
    text = str(view)
    assert len(view.cells) == 4 and view.problem == TASK.problems[3]
    cell = view.cells[-1]
    assert cell.budget == "48" and f"{cell.tokens} tokens, {cell.calls} calls" in text
    for trace in cell.traces:
        assert [t for t, _ in view.steps(trace)] == trace.text.splitlines(keepends=True)
    assert "✓" in text and "✗" in text and "eos" in text and "budget" in text
    assert "wrong sum" in text
    assert view._repr_html_().count("<details>") == 4
    bare = Report(report.settings, report.cells, report.total)
    assert "wrong sum" not in str(bare.problem("toy/3", "best-of-n"))  # no judge at hand


def test_drill_down_escapes_what_a_model_wrote(report):
    cell = replace(report.cells[0], answer="<script>", problem="toy/<b>")
    page = replace(report, cells=(cell,)).problem("toy/<b>")._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page and "<b>toy/<b>" not in page


def test_unknown_names_list_the_known(report):
    with pytest.raises(UnknownName, match="toy/0"):
        report.problem("toy/99")
    with pytest.raises(UnknownName, match="best-of-n"):
        report.row("beam", 16)
    with pytest.raises(UnknownName, match="16, 48"):
        report.row("best-of-n", 17)


def test_facts_leave_out_what_was_measured(report):
    slower = tuple(replace(c, seconds=c.seconds + 1, cached=7) for c in report.cells[::-1])
    assert replace(report, cells=slower).facts() == report.facts()
    wrong = (replace(report.cells[0], completion=0), *report.cells[1:])
    assert replace(report, cells=wrong).facts() != report.facts()


def test_a_table_is_text_html_and_csv(tmp_path):
    table = Table(("a", "b"), [("x<y", 1.5), ("long name", 22)], "two & two")
    assert str(table).splitlines() == [
        "two & two", "a          b", "---------  ---", "x<y        1.5", "long name   22"
    ]  # fmt: skip
    html = table._repr_html_()
    assert "<td>x&lt;y</td>" in html and "two &amp; two" in html
    table.to_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines() == ["a,b", "x<y,1.5", "long name,22"]


def test_a_slow_judge_does_not_hold_up_the_others():
    class Slow(Judge):
        def check(self, problem, text):
            time.sleep(0.1)
            return super().check(problem, text)

    class Slowly(Toy):
        verifier = Slow()

    task = Slowly("slowly", toy(20).problems)
    began = time.monotonic()
    compare("chain-of-thought", task, Scripted(delay=0.05), [64])
    assert time.monotonic() - began < 1.5  # one after the other they would take 2
