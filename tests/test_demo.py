"""The command line and its command ``demo``."""

import csv
import random
import re
import subprocess
import sys
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
import torch

from skrobust import __version__
from skrobust.__main__ import main
from skrobust.demo._data import PROBLEMS, draw_sample
from skrobust.demo._experiment import METHODS, QUICK, RCA, run_experiment, to_frame
from skrobust.demo._page import build_page
from skrobust.demo._table import format_text, table_cells, verdict


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "deep" / "report"
    assert main(["demo", "--quick", "--seeds", "1", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def runs():
    return run_experiment([0, 1], QUICK, PROBLEMS[:2])


def test_page_has_all_methods_and_problems(report):
    page = (report / "index.html").read_text(encoding="utf-8")
    for name in [*METHODS, *(problem.title for problem in PROBLEMS)]:
        assert name.replace("'", "&#x27;") in page
    assert page.count("<tr>") == 1 + len(METHODS)
    assert "<b>" in page.split("<tbody>")[1].split("</tbody>")[0]
    assert __version__ in page and "--quick" in page


def test_page_embeds_its_pictures_and_loads_nothing(report):
    page = (report / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'src="([^"]*)"', page)
    n_with_pictures = sum(problem.image_shape is not None for problem in PROBLEMS)
    assert len(sources) == 3 * len(PROBLEMS) + n_with_pictures
    for source in sources:
        kind, _, data = source.partition(",")
        assert kind == "data:image/png;base64"
        assert b64decode(data).startswith(b"\x89PNG")
    assert not re.search(r"https?://|<link|<script|@import|url\(", page)
    assert page.count("<img") == page.count('alt="') == len(sources)


def test_results_agree_with_the_page(report):
    with (report / "results.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    page = (report / "index.html").read_text(encoding="utf-8")
    assert len(rows) == len(PROBLEMS) * len(METHODS)
    assert all(f"{float(row['auc']):.3f}" in page for row in rows)


def test_detectors_learn_and_rca_drops_anomalies(runs):
    for run in runs:
        assert run.auc > 0.65, (run.problem.title, run.method)
        assert len(run.scores) == len(run.sample.y_test)
    for run in (run for run in runs if run.method == RCA):
        first, last = run.kept_share[0], run.kept_share[-5:].mean()
        assert first == pytest.approx(run.sample.y_train.mean(), rel=1e-5)  # all rows are kept
        assert last < 0.85 * first
        assert run.warmup_end == len(run.kept_share) / 2


def test_same_seed_same_scores_and_no_trace_on_global_generators(runs):
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    random.seed(7)
    expected = np.random.rand(), torch.rand(()).item(), random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    random.seed(7)
    again = run_experiment([1], QUICK, PROBLEMS[1:2])
    assert (np.random.rand(), torch.rand(()).item(), random.random()) == expected  # noqa: NPY002
    before = [run for run in runs if run.seed == 1 and run.problem is PROBLEMS[1]]
    for old, new in zip(before, again, strict=True):
        np.testing.assert_allclose(old.scores, new.scores, rtol=1e-6)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.title)
def test_samples_hold_all_normal_rows_and_the_stated_share_of_anomalies(problem):
    _, abnormal, _ = problem.load()
    sample = draw_sample(problem, 0)
    y = np.r_[sample.y_train, sample.y_test]
    assert np.sum(y == 0) == np.sum(~abnormal)
    assert y.mean() == pytest.approx(problem.rate, abs=0.005)
    assert sample.y_train.mean() == pytest.approx(problem.rate, abs=0.01)
    assert sample.y_test.sum() >= 8
    assert len(sample.X_train) == pytest.approx(0.6 * len(y), abs=1)
    other = draw_sample(problem, 1)
    assert not np.array_equal(sample.X_test, other.X_test)


def test_best_is_marked_whichever_method_it_is(runs):
    frame = to_frame(runs)
    frame["auc"] = np.where(frame["method"] == "PyOD IForest", 0.99, 0.5)
    rows = table_cells(frame)[1:]
    assert {row[0] for row in rows if any(cell.is_best for cell in row)} == {"PyOD IForest"}
    assert format_text(frame).count("0.990 ± 0.000 *") == 2
    best, pairs = verdict(frame)
    assert best.count("PyOD IForest") == 2
    assert "0 of 4" in pairs


def test_page_escapes_text(runs):
    problem = replace(PROBLEMS[0], title="a <b> & c", story="<script>")
    page = build_page([replace(run, problem=problem) for run in runs[:8]], QUICK)
    assert "a &lt;b&gt; &amp; c" in page
    assert "<script>" not in page


@pytest.mark.parametrize("argv", [["--help"], ["demo", "--help"], ["--version"]])
def test_help_and_version(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 0
    assert ("demo" if "--help" in argv else __version__) in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv, word",
    [
        ([], "required"),
        (["demoo"], "demo"),
        (["demo", "--seeds", "0"], "--seeds"),
        (["demo", "--seeds", "many"], "--seeds"),
        (["demo", "--speed"], "--speed"),
        (["demo", "--out", __file__], "test_demo.py"),
        (["demo", "--out", __file__ + "/below"], "test_demo.py"),
    ],
)
def test_bad_arguments_exit_with_one_line(argv, word, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    output = capsys.readouterr()
    assert stop.value.code == 2
    assert output.out == ""
    assert output.err.count("\n") == 1 and word in output.err


def test_ctrl_c_is_one_line(monkeypatch, tmp_path, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skrobust.demo._experiment.run_experiment", interrupt)
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "skrobust: interrupted\n"


def test_runs_as_a_module():
    command = [sys.executable, "-m", "skrobust", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"skrobust {__version__}\n"
