"""The command line and its command ``demo``."""

import io
import random
import re
import subprocess
import sys
from base64 import b64decode
from contextlib import redirect_stdout
from html import unescape

import numpy as np
import pandas as pd
import pytest
import torch

from skrobust import __version__
from skrobust.__main__ import main
from skrobust._html import render
from skrobust.demo._experiments import EXPERIMENTS, Anomalies, Targets, _digits
from skrobust.demo._running import PLAIN, Case, Run, run_all, to_frame, trust_values
from skrobust.demo._summary import as_text, summarise

# Of each experiment: our method, a simple peer, the measures, number of pictures.
EXPECTED = {
    "anomalies": ("RobustEnsembleDetector", "KNN", ["auc"], 11),
    "density": ("RobustRealNVPDetector", "Gaussian mixture", ["mass", "held_out"], 4),
    "labels": ("PRLClassifier", "random forest", ["accuracy"], 6),
    "targets": ("PRLRegressor", "HuberRegressor", ["r2"], 6),
    "poison": ("BackdoorRobustClassifier", "random forest", ["triggered", "clean"], 3),
}
NAMES = {one.key: one for one in EXPERIMENTS}


@pytest.fixture(scope="module")
def runs():
    return run_all(EXPERIMENTS, [0], quick=True)


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
        patch.setattr("skrobust.demo._running.run_all", remember)
        assert main(["demo", "--quick", "--seeds", "1", "--out", str(out)]) == 0
    assert asked == [(EXPERIMENTS, range(1), True, 1)]
    (out / "terminal").write_text(terminal.getvalue(), encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def page(report):
    return (report / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def table(report):
    """All values by chapter, problem, method and measure."""
    frame = pd.read_csv(report / "results.csv")
    return frame.set_index(["chapter", "problem", "method", "measure"])["value"].sort_index()


def _cells(row):
    cells = re.findall("<t[dh][ >].*?</t[dh]>", row, re.DOTALL)
    return [unescape(re.sub("<[^>]*>", "", cell)) for cell in cells]


def _groups(html):
    """Lines of the first table by the title of their group."""
    body = html.partition("<tbody>")[2].partition("</tbody>")[0]
    groups: dict = {}
    for row in body.strip().split("\n"):
        if row.startswith('<tr class="group">'):
            lines = groups[_cells(row)[0]] = []
        else:
            lines.append((_cells(row), row))
    return groups


def _body(page, key):
    """The part of the page that belongs to an experiment."""
    return page.partition(f'<section id="{key}">')[2].partition("</section>")[0]


def _number(text):
    return float(text.partition(" ")[0].replace("−", "-"))


def _shown(text, value, scale=1, abs=6e-4):
    """Whether a cell shows a value."""
    if np.isnan(value):
        return text == "–"
    return _number(text) == pytest.approx(scale * value, abs=abs)


def test_page_has_all_chapters_methods_and_problems(page):
    assert list(NAMES) == list(EXPECTED)
    assert re.findall('<section id="(.*?)">', page) == list(EXPECTED)
    assert re.findall('href="#(.*?)"', page) == list(EXPECTED)
    for number, one in enumerate(EXPERIMENTS, 1):
        ours, peer, measures, _ = EXPECTED[one.key]
        assert one.ours == ours and peer in one.peers and list(one.measures) == measures
        assert f"<h2>{number}. {one.title}</h2>" in _body(page, one.key)
        groups = _groups(_body(page, one.key))
        for problem, (title, lines) in zip(one.problems, groups.items(), strict=True):
            assert title.startswith(f"{problem}: ") and title.endswith(f"rows are {one.bad}")
            assert [cells[0] for cells, _ in lines] == one.methods
    assert __version__ in page and "--quick" in page


def test_results_have_every_run(table):
    assert not table.index.duplicated().any()
    for one in EXPERIMENTS:
        part = table[one.key]
        assert set(part.index.get_level_values("method")) == set(one.methods)
        assert set(part.index.get_level_values("problem")) == set(one.problems)
        n_measures = len(set(part.index.get_level_values("measure")))
        assert len(part) == len(one.methods) * len(one.problems) * n_measures


def test_overview_gives_the_numbers_of_the_results_and_names_the_best(page, table):
    for number, (one, (title, lines)) in enumerate(
        zip(EXPERIMENTS, _groups(page).items(), strict=True), 1
    ):
        assert title == f"{number}. {one.title}: {one.ours}"
        plan = [(problem, measure) for problem in one.problems for measure in one.measures]
        for (problem, measure), (cells, _) in zip(plan, lines, strict=True):
            words, sign = one.measures[measure]
            assert cells[0] == problem and cells[1].startswith(words)
            assert ("low is good" in cells[1]) == (sign < 0)
            values = {
                method: table[one.key, problem, method, measure]
                for method in (one.ours, PLAIN, *one.peers)
            }
            assert _shown(cells[2], values[one.ours]) and _shown(cells[3], values[PLAIN])
            for text, peer in zip(cells[4].split(", "), one.peers, strict=True):
                assert text.startswith(f"{peer} ")
                assert _shown(text.removeprefix(f"{peer} "), values[peer])
            best = max(values, key=lambda method: sign * values[method])
            assert best in cells[5].split(", ")
            for text, name in zip(cells[6:], ("bad", "flagged", "right"), strict=True):
                assert _shown(text, table[one.key, problem, one.ours, name], 100, 0.6)


@pytest.mark.parametrize("key", EXPECTED)
def test_tables_give_the_numbers_of_the_results(key, page, table):
    body, one = _body(page, key), NAMES[key]
    header = _cells(body.partition("<thead>")[2].partition("</thead>")[0])
    words = [words for words, _ in one.measures.values()]
    assert [text.removesuffix(" (low is good)") for text in header[1 : 1 + len(words)]] == words
    assert header[-3:] == ["rows distrusted", f"{one.bad} among these", "CPU seconds"]
    for problem, lines in zip(one.problems, _groups(body).values(), strict=True):
        for cells, _ in lines:
            values = table[key, problem, cells[0]]
            for text, measure in zip(cells[1:], one.measures, strict=False):
                assert _shown(text, values[measure])
            assert _shown(cells[-3], values["flagged"], 100, 0.6)
            assert _shown(cells[-2], values["right"], 100, 0.6)
            assert _shown(cells[-1], values["seconds"], abs=0.06)


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
    for one in EXPERIMENTS:
        part = summarise(one, runs[one.key])
        assert "\n".join([one.title, "", as_text(part), "", *part["verdict"]]) in output
    assert output.endswith(f"Report: {report / 'index.html'}\n")


def test_a_terminal_without_the_characters_is_no_end(runs, monkeypatch, tmp_path):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("skrobust.demo._running.run_all", lambda *args: runs)
    monkeypatch.setattr(sys, "stdout", narrow)
    assert main(["demo", "--quick", "--out", str(tmp_path)]) == 0
    narrow.flush()
    assert b"R\\xb2" in narrow.buffer.getvalue() and (tmp_path / "index.html").exists()


def test_robust_methods_find_what_was_planted(table):
    for one in EXPERIMENTS:
        right, bad = (table.loc[one.key, :, one.ours, name].to_numpy() for name in ("right", "bad"))
        assert right.mean() > 2 * bad.mean(), one.key
        assert (bad > 0.04).all() and bad.mean() < 0.36
    for key, margin in {"labels": 0.1, "targets": 0.2, "poison": 0.5}.items():
        one = NAMES[key]
        measure = next(iter(one.measures))
        ours, plain = (table.loc[key, :, name, measure].to_numpy() for name in (one.ours, PLAIN))
        assert (ours > plain + margin).all(), key
    auc = table.xs("auc", level="measure").drop("ECOD", level="method")  # .5 on digits
    assert (auc > 0.55).all()
    mass = table["density", "Two moons"].xs("mass", level="measure")
    assert 0 <= mass["RobustRealNVPDetector"] < 0.1 < mass[PLAIN] < mass["Gaussian mixture"]
    assert mass["Gaussian mixture"] == pytest.approx(100 * 0.05 / 1.05, abs=0.3)


def test_backdoor_is_learnt_by_the_plain_network_and_the_forest(table):
    values = table["poison", "A patch in the corner"]
    for method in (PLAIN, "random forest"):
        assert values[method, "clean"] > 0.9 and values[method, "triggered"] < 0.8
    assert values[PLAIN, "triggered"] < 0.2
    robust = values["BackdoorRobustClassifier"]
    assert robust["clean"] > values[PLAIN, "clean"] - 0.02 and robust["triggered"] > 0.8


def test_rates_are_told_where_the_name_says_so_only(table):
    for one in EXPERIMENTS:
        for problem in one.problems:
            told = table[one.key, problem].get((f"{one.ours} told the rate", "flagged"))
            if told is not None:
                more = told - table[one.key, problem, one.ours, "bad"]
                # a right target may have the value of the stuck ones
                assert -0.002 < more < (0.005 if one.key == "targets" else 0.002), one.key
        data = one.sample(next(iter(one.problems)), 0)
        model = one.build(data, device="cpu", random_state=0)[0]
        if one.key == "poison":  # which needs no rate
            continue
        parameters = model.get_params()
        assert "auto" in (parameters.get("contamination"), parameters.get("corruption_rate"))


def test_rca_drops_anomalies_from_its_training():
    one = Anomalies()
    data = one.sample("A pile of threes", 0)
    detector = one.build(data, device="cpu", random_state=0, **one.quick)[1].fit(data.X)
    kept = np.array(detector.history_[:, "kept_share"])
    assert kept[0] == pytest.approx(data.bad.mean(), rel=1e-5)  # all are kept
    assert kept[-5:].mean() < 0.85 * kept[0]


@pytest.mark.parametrize("problem", NAMES["labels"].problems)
def test_the_least_trusted_labels_are_wrong_and_their_predictions_right(problem):
    one = NAMES["labels"]
    data = one.sample(problem, 0)
    model = one.build(data, device="cpu", random_state=0, **one.quick)[1].fit(data.X, data.y)
    top = np.argsort(-model.sample_scores_)[:10]
    truth = _digits(0)[2]
    assert data.bad[top].mean() > 0.8
    assert (model.predict(data.X[top]) == truth[top]).mean() > 0.8


def test_same_seed_same_values_and_no_trace_on_global_generators(runs):
    def draws():
        return np.random.rand(), torch.rand(()).item(), random.random()  # noqa: NPY002

    def seed():
        np.random.seed(7)  # noqa: NPY002
        torch.manual_seed(7)
        random.seed(7)

    seed()
    expected = draws()
    seed()
    again = run_all([Targets()], [0], quick=True)["targets"]
    assert draws() == expected
    shared = run_all([Targets()], [0], quick=True, n_jobs=2)["targets"]
    for old, new in zip(runs["targets"] * 2, again + shared, strict=True):
        assert old.case == new.case
        for name in ("r2", "flagged", "right"):
            assert new.values[name] == pytest.approx(old.values[name], rel=1e-6, nan_ok=True)
        assert [figure.caption for figure in old.figures] == [f.caption for f in new.figures]


def test_only_the_first_seed_is_drawn():
    cases = list(Targets().cases(range(3), quick=False))
    assert {case.seed for case in cases if case.with_figures} == {0}
    assert len(cases) == 3 * len(Targets().methods) * len(Targets().problems)


@pytest.mark.parametrize("problem", Anomalies.problems)
def test_samples_hold_all_normal_rows_and_the_stated_share_of_anomalies(problem):
    one = Anomalies()
    _, abnormal = one.load(problem)
    data, rate = one.sample(problem, 0), one.problems[problem]
    y = np.r_[data.bad, data.y_test]
    assert np.sum(~y) == np.sum(~abnormal)
    assert y.mean() == pytest.approx(rate, abs=0.005)
    assert data.bad.mean() == pytest.approx(rate, abs=0.01)
    assert data.y_test.sum() >= 8
    assert len(data.X) == pytest.approx(0.6 * len(y), abs=1)
    other = one.sample(problem, 1)
    assert not np.array_equal(data.X_test, other.X_test)


def test_trust_values_compare_the_distrusted_rows_with_the_bad_ones():
    bad = np.array([True, True, False, False, False])
    distrusted = np.array([True, False, True, False, True])
    expected = {"bad": 0.4, "flagged": 0.6, "right": 1 / 3}
    assert trust_values(distrusted, bad) == pytest.approx(expected)
    silent = trust_values(None, bad)
    assert silent["bad"] == 0.4 and np.isnan(silent["right"])
    assert np.isnan(trust_values(np.zeros(5, dtype=bool), bad)["right"])


def made_up(one, values, doubted=()):
    """Two seeds of made-up runs; ``values`` by method, 0.5 for the others."""
    rest = {"bad": 0.1, "flagged": 0.2, "right": 0.4, "seconds": 1.0}
    return [
        Run(
            Case(problem, method, seed, False, False),
            {**dict.fromkeys(one.measures, values.get(method, 0.5)), **rest},
            [],
            method in doubted,
        )
        for problem in one.problems
        for seed in (0, 1)
        for method in one.methods
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_best_is_marked_whichever_method_it_is(sign):
    one = Anomalies()
    one.measures = {"auc": ("AUC", sign)}
    better = {"KNN": 0.5 + 0.4 * sign}
    part = summarise(one, made_up(one, better))
    for _, lines in part["groups"]:
        assert [method for method, cells in lines if cells[0][1]] == ["KNN"]
    assert as_text(part).count(" *") == len(one.problems)
    assert {line["best"] for line in part["overview"]} == {"KNN"}
    wins = "Of 6 runs, RobustEnsembleDetector has the better AUC in {} against RCADetector, "
    wins += "{} against plain network, {} against IForest"
    assert part["verdict"] == [f"{wins.format(0, 0, 0)}, 0 against KNN, 0 against ECOD."]
    part = summarise(one, made_up(one, {**better, one.ours: 0.5 + 0.1 * sign}))
    assert part["verdict"] == [f"{wins.format(6, 6, 6)}, 0 against KNN, 6 against ECOD."]
    ties = summarise(one, made_up(one, {}))["overview"][0]["best"]
    assert ties == "RobustEnsembleDetector, plain network, IForest, KNN, ECOD"


def test_page_escapes_text(runs):
    parts = {one.key: summarise(one, runs[one.key]) for one in EXPERIMENTS}
    parts["targets"]["title"] = "a <b> & c"
    parts["targets"]["groups"][0] = ("<script>", parts["targets"]["groups"][0][1])
    html = render("demo.html", summaries=parts, seeds=[0], quick=False)
    assert html.count("a &lt;b&gt; &amp; c") == 2
    assert "<script>" not in html and "&lt;script&gt;" in html and "--quick" not in html


def test_doubtful_estimates_are_said():
    one = Targets()
    verdict = summarise(one, made_up(one, {}, doubted=[one.ours]))["verdict"]
    assert verdict[1].startswith("Warned that its estimate")
    assert verdict[1].endswith("be relied on: PRLRegressor in 4 of 4 runs.")
    assert len(summarise(one, made_up(one, {}))["verdict"]) == 1


def test_an_estimate_in_doubt_is_noticed(runs):
    doubted = {run.case.method for run in runs["labels"] if run.doubted}
    assert "PRLClassifier" in doubted


def test_frame_has_a_row_for_each_value():
    one = Targets()
    frame = to_frame("targets", made_up(one, {}))
    assert list(frame) == ["chapter", "problem", "method", "seed", "measure", "value"]
    assert len(frame) == 2 * 2 * len(one.methods) * 5


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

    monkeypatch.setattr("skrobust.demo._running.run_all", interrupt)
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "skrobust: interrupted\n"


def test_runs_as_a_module():
    command = [sys.executable, "-m", "skrobust", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"skrobust {__version__}\n"
