"""The command line and its command ``demo``."""

import io
import random
import re
import subprocess
import sys
from base64 import b64decode
from contextlib import redirect_stdout
from dataclasses import replace
from html import unescape

import numpy as np
import pandas as pd
import pytest
import torch

from skrobust import __version__
from skrobust.__main__ import main
from skrobust.demo._anomalies import ANOMALIES, PLAIN, RCA
from skrobust.demo._anomaly_data import PROBLEMS, draw_sample
from skrobust.demo._page import build_page
from skrobust.demo._section import Column, run_sections, to_frame, trust_values
from skrobust.demo._sections import SECTIONS
from skrobust.demo._table import format_text, headline, table_cells, verdict

# Of each section: robust and plain method, main measure, number of pictures.
EXPECTED = {
    "anomalies": ("RCA", "RCA's plain autoencoder", "auc", 8),
    "density": ("RobustRealNVP", "RealNVP", "mass", 3),
    "labels": ("PRL", "Standard", "accuracy", 4),
    "targets": ("PRL", "Standard", "r2", 2),
    "backdoor": ("BackdoorRobustClassifier", "Standard", "triggered", 4),
}
NAMES = {section.key: section for section in SECTIONS}


@pytest.fixture(scope="module")
def runs():
    return run_sections(SECTIONS, [0], quick=True)


@pytest.fixture(scope="module")
def frames(runs):
    return {key: to_frame(key, group) for key, group in runs.items()}


@pytest.fixture(scope="module")
def report(tmp_path_factory, runs):
    """The command's report, without a second training."""
    asked: list = []
    terminal = io.StringIO()

    def remember(*args):
        asked.append(args)
        return runs

    out = tmp_path_factory.mktemp("demo") / "deep" / "report"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(terminal):
        patch.setattr("skrobust.demo._section.run_sections", remember)
        assert main(["demo", "--quick", "--seeds", "1", "--out", str(out)]) == 0
    assert asked == [(SECTIONS, range(1), True, 1)]
    (out / "terminal").write_text(terminal.getvalue(), encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def page(report):
    return (report / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def table(report):
    """All values by chapter, method, problem and measure."""
    frame = pd.read_csv(report / "results.csv")
    return frame.set_index(["chapter", "method", "problem", "measure"])["value"]


def _cells(row):
    cells = re.findall("<t[dh][ >].*?</t[dh]>", row, re.DOTALL)
    return [unescape(re.sub("<[^>]*>", "", cell)) for cell in cells]


def _rows(html):
    body = html.partition("<tbody>")[2].partition("</tbody>")[0]
    return [_cells(row) for row in body.strip().split("\n")]


def _body(page, key):
    """The part of the page that belongs to a section."""
    return page.partition(f'<section id="{key}">')[2].partition("</section>")[0]


def _number(text):
    return float(text.partition(" ")[0].replace("−", "-"))


def test_page_has_all_chapters_methods_and_problems(page):
    assert list(NAMES) == list(EXPECTED)
    assert re.findall('<section id="(.*?)">', page) == list(EXPECTED)
    assert re.findall('href="#(.*?)"', page) == list(EXPECTED)
    for section in SECTIONS:
        body = unescape(_body(page, section.key))
        texts = (section.lead, section.note, section.limit, *section.methods, *section.problems)
        assert all(text in body for text in texts)
        assert [row[0] for row in _rows(_body(page, section.key))] == list(section.methods)
        assert len(section.stories) == len(section.problems)
    assert __version__ in page and "--quick" in page


def test_results_have_every_run(table):
    assert not table.index.duplicated().any()
    for section in SECTIONS:
        part = table[section.key]
        assert set(part.index.get_level_values("method")) == set(section.methods)
        assert set(part.index.get_level_values("problem")) == set(section.problems)
        n_measures = len(set(part.index.get_level_values("measure")))
        assert len(part) == len(section.methods) * len(section.problems) * n_measures


def test_contents_give_the_numbers_of_the_results(page, table):
    rows = _rows(page)
    assert len(rows) == len(EXPECTED)
    for number, (row, (key, expected)) in enumerate(zip(rows, EXPECTED.items(), strict=True), 1):
        robust, plain, main_measure, _ = expected
        assert row[0] == f"{number}. {NAMES[key].title}"

        def mean(method, measure, key=key):
            return table[key, method, :, measure].mean()

        assert _number(row[2]) == pytest.approx(mean(robust, main_measure), abs=6e-4)
        assert _number(row[3]) == pytest.approx(mean(plain, main_measure), abs=6e-4)
        assert _number(row[4]) == pytest.approx(100 * mean(robust, "bad"), abs=0.6)
        assert _number(row[5]) == pytest.approx(100 * mean(robust, "right"), abs=0.6)


@pytest.mark.parametrize("key", EXPECTED)
def test_tables_give_the_numbers_of_the_results(key, page, table):
    body, section = _body(page, key), NAMES[key]
    assert any(column.measure == EXPECTED[key][2] for column in section.columns)
    assert any(column.measure == "right" for column in section.columns)
    for method, *cells in _rows(body):
        for column, cell in zip(section.columns, cells, strict=True):
            problem = slice(None) if column.problem is None else column.problem
            found = table[key, method, problem, column.measure].mean()
            if np.isnan(found):
                assert cell == "–"
            elif column.form == "number":
                assert _number(cell) == pytest.approx(found, abs=6e-4)
            elif column.form == "percent":
                assert _number(cell) == pytest.approx(100 * found, abs=0.6)
    header = body.partition("<thead>")[2].partition("</thead>")[0]
    assert _cells(header.replace("<br>", "\n"))[1:] == [c.title for c in section.columns]


def test_pictures_are_embedded_and_nothing_is_loaded(page):
    for key, (*_, n_pictures) in EXPECTED.items():
        assert _body(page, key).count("<img") == n_pictures
    sources = re.findall(r'src="([^"]*)"', page)
    for source in sources:
        kind, _, data = source.partition(",")
        assert kind == "data:image/png;base64"
        assert b64decode(data).startswith(b"\x89PNG")
    assert not re.search(r"https?://|<link|<script|@import|url\(", page)
    assert page.count("<img") == page.count('alt="') == len(sources) == len(set(sources))


def test_terminal_has_every_table(runs, report):
    output = (report / "terminal").read_text(encoding="utf-8")
    for section in SECTIONS:
        frame = to_frame(section.key, runs[section.key])
        assert "\n".join([section.title, "", format_text(section, frame)]) in output
        assert "\n".join(verdict(section, frame)) in output
    assert output.endswith(f"Report: {report / 'index.html'}\n")


def test_robust_methods_find_what_was_planted(frames):
    for section in SECTIONS:
        found = headline(section, frames[section.key])
        assert found.right > 2 * found.bad, section.key
        assert 0.04 < found.bad < 0.36
    for key, margin in {"labels": 0.03, "targets": 0.2, "backdoor": 0.3}.items():
        found = headline(NAMES[key], frames[key])
        assert found.robust > found.plain + margin, key
    density = headline(NAMES["density"], frames["density"])
    assert 0 <= density.robust < density.plain < 5


def test_backdoor_is_learnt_by_the_plain_network_alone(frames):
    values = frames["backdoor"].pivot(
        index=["problem", "method"], columns="measure", values="value"
    )
    standard, robust = values.loc["Patch", "Standard"], values.loc["Patch"].iloc[0]
    assert standard["clean"] > 0.9 and standard["triggered"] < 0.2
    assert robust["clean"] > 0.8 and robust["triggered"] > 0.8


def test_curves_pictures_and_suggestions_belong_to_the_runs(runs):
    for run in runs["labels"]:
        rows = run.details
        wrong = rows.given != rows.truth
        assert wrong.mean() == pytest.approx(run.values["bad"])
        if run.case.method == "PRL":
            top = np.argsort(-rows.scores)[:10]
            assert wrong[top].mean() > 0.8
            assert (rows.suggested[top] == rows.truth[top]).mean() > 0.8
        if run.case.method == "Standard":
            assert rows.accuracies[-1] == pytest.approx(run.values["accuracy"])
    for run in runs["backdoor"]:
        assert run.details.poisoned.mean() == pytest.approx(run.values["bad"])


def test_detectors_learn_and_rca_drops_anomalies(runs):
    for run in runs["anomalies"]:
        assert run.values["auc"] > 0.55, run.case
        assert len(run.details.scores) == len(run.details.sample.y_test)
        assert run.values["flagged"] == pytest.approx(run.values["bad"], abs=0.02)
    for run in (run for run in runs["anomalies"] if run.case.method == RCA):
        details = run.details
        first, last = details.kept_share[0], details.kept_share[-5:].mean()
        assert first == pytest.approx(details.sample.y_train.mean(), rel=1e-5)  # all are kept
        assert last < 0.85 * first
        assert details.warmup_end == len(details.kept_share) / 2


def test_same_seed_same_scores_and_no_trace_on_global_generators(runs):
    section = replace(ANOMALIES, problems={"A pile of threes": None})
    before = [run for run in runs["anomalies"] if run.case.problem == "A pile of threes"]

    def draws():
        return np.random.rand(), torch.rand(()).item(), random.random()  # noqa: NPY002

    def seed():
        np.random.seed(7)  # noqa: NPY002
        torch.manual_seed(7)
        random.seed(7)

    seed()
    expected = draws()
    seed()
    again = run_sections([section], [0], quick=True)["anomalies"]
    assert draws() == expected
    shared = run_sections([section], [0], quick=True, n_jobs=2)["anomalies"]
    for old, new in zip(before * 2, again + shared, strict=True):
        assert old.case == new.case
        np.testing.assert_allclose(old.details.scores, new.details.scores, rtol=1e-6)


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


def test_trust_values_compare_the_distrusted_rows_with_the_bad_ones():
    bad = np.array([True, True, False, False, False])
    distrusted = np.array([True, False, True, False, True])
    expected = {"bad": 0.4, "flagged": 0.6, "right": 1 / 3}
    assert trust_values(distrusted, bad) == pytest.approx(expected)
    silent = trust_values(None, bad)
    assert silent["bad"] == 0.4 and np.isnan(silent["right"])
    assert np.isnan(trust_values(np.zeros(5, dtype=bool), bad)["right"])


@pytest.mark.parametrize("higher", [True, False])
def test_best_is_marked_whichever_method_it_is(higher):
    column = Column("AUC", "auc", best="high" if higher else "low")
    section = replace(ANOMALIES, columns=[column], higher=higher)
    rows = [
        ("anomalies", problem, method, seed, measure, value)
        for problem in section.problems
        for method in section.methods
        for seed in (0, 1)
        for measure, value in {"auc": 0.5, "right": 0.4, "bad": 0.1}.items()
    ]
    frame = pd.DataFrame(rows, columns=to_frame("", []).columns)
    best = (frame["method"] == "PyOD IForest") & (frame["measure"] == "auc")
    frame.loc[best, "value"] = 0.99 if higher else 0.01
    cells = table_cells(section, frame)[1:]
    assert {row[0] for row in cells if row[1].is_best} == {"PyOD IForest"}
    assert format_text(section, frame).count(" *") == 1
    winners, pairs, trust = verdict(section, frame)
    assert winners.startswith("Highest" if higher else "Lowest")
    assert winners.count("PyOD IForest") == len(section.problems)
    assert f"{RCA} is better than {PLAIN} in 0 of 6" in pairs
    assert "40 %" in trust and trust.index("40 %") < trust.index("10 %")
    robust = (frame["method"] == RCA) & (frame["measure"] == "auc")
    frame.loc[robust, "value"] = 0.6 if higher else 0.4
    assert f"{RCA} is better than {PLAIN} in 6 of 6" in verdict(section, frame)[1]


def test_page_escapes_text(runs):
    section = replace(SECTIONS[3], title="a <b> & c", lead="<script>")
    page = build_page([section], {"targets": runs["targets"]})
    assert page.count("a &lt;b&gt; &amp; c") == 3
    assert "<script>" not in page


def test_doubtful_estimates_are_said(runs):
    method = "PRL, rate unknown"
    group = [replace(run, doubted=run.case.method == method) for run in runs["targets"]]
    page = build_page(SECTIONS[3:4], {"targets": group})
    assert "“PRL, rate unknown” warned in 2 of 2 runs" in page
    group = [replace(run, doubted=False) for run in group]
    assert "warned" not in build_page(SECTIONS[3:4], {"targets": group})


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
        (["demo", "--jobs", "0"], "--jobs"),
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

    monkeypatch.setattr("skrobust.demo._section.run_sections", interrupt)
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "skrobust: interrupted\n"


def test_runs_as_a_module():
    command = [sys.executable, "-m", "skrobust", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"skrobust {__version__}\n"
