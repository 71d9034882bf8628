"""Table 2.1: which cells there are, what one measures, and how the table is made."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from benchmarks._results import Cell, ResultFile
from benchmarks.thesis import _odds, rca_odds
from benchmarks.thesis.__main__ import main
from benchmarks.thesis._detectors import ALTERNATIVES, OURS, PEERS, make_detector, uses_rate
from benchmarks.thesis._registry import BENCHMARKS, RESULTS
from benchmarks.thesis._regression import ONLY_CLEAN
from skrobust.datasets import DataNotSuppliedError, fetch_odds


def odds_or_skip(name):
    try:
        return fetch_odds(name, download_if_missing=False)
    except DataNotSuppliedError:
        pytest.skip(f"the ODDS set {name} is not under SKROBUST_DATA")


def test_only_methods_that_use_the_rate_are_measured_twice():
    cells = rca_odds.cells(1, ["glass"])
    twice = {cell.method for cell in cells if cell.setting == "rate 0.1"}
    assert twice == {method for method in OURS if uses_rate(method)}
    assert {cell.method for cell in cells} == {*OURS, *PEERS}
    assert len(set(cells)) == len(cells)
    chosen = rca_odds.cells(2, ["glass"], ["RCA"], ["rate true"])
    assert chosen == [Cell("glass", "RCA", "rate true", seed) for seed in range(2)]


def test_split_is_the_thesiss():
    train, test = _odds.split(215, 3)
    assert len(train) == 129
    assert sorted([*train, *test]) == list(range(215))
    assert not np.array_equal(_odds.split(215, 4)[0], train)


@pytest.mark.parametrize("method", [*OURS, *ALTERNATIVES, *PEERS])
def test_every_method_can_be_built(method):
    detector = make_detector(method, 0.05, 0, 7, "cpu")
    assert detector.contamination == 0.05


@pytest.mark.parametrize("method", ["IForest", "KNN"])
def test_measure_is_repeatable_and_leaves_global_state(method):
    odds_or_skip("glass")
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = (rca_odds.measure(Cell("glass", method, "rate true", 0)) for _ in range(2))
    assert first == second
    assert first["n_train"] == 128
    assert 0 <= first["auc"] <= 1
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def synthetic():
    rows = [
        ("vowels", "RCA", "rate true", 0, 0.90),
        ("vowels", "RCA", "rate true", 1, 0.94),
        ("vowels", "RCA", "rate 0.1", 0, 0.80),
        ("vowels", "IForest", "rate true", 0, 0.76),
        ("glass", "RCA", "rate true", 0, 0.60),
        ("glass", "RCA", "rate 0.1", 0, 0.50),
        ("glass", "IForest", "rate true", 0, 0.70),
    ]
    return pd.DataFrame(rows, columns=["set", "method", "setting", "seed", "auc"])


def test_table_shows_means_ranks_wins_and_the_thesis():
    true_rate, assumed = rca_odds.render(synthetic()).split("\n\nTest AUC, ")
    lines = {line.split()[0]: line.split() for line in true_rate.splitlines() if line.strip()}
    assert list(map(float, lines["vowels"][1:-1])) == [0.9, 0.76, 0.917, 0.879]
    assert lines["vowels"][-1] == "1"  # RCA's second seed is nobody else's
    assert lines["glass"][-1] == "1"
    assert lines["mean"][2:5] == ["1", "without", "glass"]
    assert list(map(float, lines["mean"][5:])) == [0.9, 0.76, 0.917, 0.879]
    assert lines["average"][2:4] == ["1.50", "1.50"] or lines["average"][2:4] == ["1.5", "1.5"]
    assert lines["win"][1] == "1"
    assert lines["loss"][1] == "1"
    assert "0.80" in assumed
    assert rca_odds.render(synthetic().iloc[:0]) == "nothing measured yet"


def test_an_estimated_rate_stands_beside_others_of_the_same_seed():
    rows = [("vowels", "KNN", "rate true", seed, 0.5 + 0.1 * seed) for seed in range(3)]
    rows.append(("vowels", rca_odds.DEFAULT, "rate auto", 1, 0.7))
    frame = pd.DataFrame(rows, columns=["set", "method", "setting", "seed", "auc"])
    table = rca_odds.render(frame).partition("Test AUC, rate auto")[2]
    vowels, mean = (row(table, name) for name in ("vowels", "mean of 1"))
    assert vowels == [0.7, 0.6, 0.917, 0.879, 1]
    assert mean == [0.7, 0.6, 0.917, 0.879]


def test_methods_without_a_common_seed_are_not_compared():
    rows = [("vowels", "RCA", "rate true", 0, 0.9), ("vowels", "KNN", "rate true", 1, 0.8)]
    frame = pd.DataFrame(rows, columns=["set", "method", "setting", "seed", "auc"])
    assert rca_odds.render(frame) == "Test AUC, rate true\n\nno seed that all methods have"


def test_a_method_that_lacks_a_set_has_rows_but_no_mean():
    names = list(rca_odds.TABLE_2_1)[:10]
    rows = [
        (name, method, seed, value)
        for name in names
        for seed in (0, 1)
        for method, value in (("KNN", 0.6), ("LOF", 0.5), ("MCD", 0.7))
        if method != "MCD" or (name != names[0] and (name, seed) != (names[1], 1))
    ]
    frame = pd.DataFrame(rows, columns=["set", "method", "seed", "auc"])
    means, text = _odds.mean_table(frame, ["KNN", "LOF", "MCD"], {"thesis": dict.fromkeys(names)})
    assert means["MCD"].isna().tolist() == [True, True] + [False] * 8  # the second lacks a seed
    assert (means["KNN"] == 0.6).all()
    assert row(text, "mean of 10") == [0.6, 0.5]
    assert row(text, "average rank") == [1.0, 2.0]
    assert "A method that lacks a set has no mean" in text


def row(table, name):
    """Numbers of the line that begins with a name."""
    line = next(line for line in table.splitlines() if line.startswith(name))
    return list(map(float, line.removeprefix(name).split()))


def test_alternatives_are_compared_on_common_cells():
    rows = [
        ("vowels", "RCA", "rate true", 0, 0.9),
        ("vowels", "RCA", "rate true", 1, 0.5),
        ("optdigits", "RCA", "rate true", 0, 0.6),
        ("vowels", "RCA margin 2", "rate true", 0, 0.8),
        ("optdigits", "RCA cross-entropy", "rate true", 0, 0.9),
    ]
    frame = pd.DataFrame(rows, columns=["set", "method", "setting", "seed", "auc"])
    text = rca_odds.render(frame).partition("Alternatives")[2]
    means, gains = text.split("gain by set")
    assert numbers(means)["RCA margin 2"] == ["0.8", "RCA", "0.9", "-0.1", "1", "1"]
    assert numbers(means)["RCA cross-entropy"] == ["0.9", "RCA", "0.6", "0.3", "1", "1"]
    assert numbers(means)["RCA, losses as published"] == ["0.8", "RCA", "0.65", "0.15", "2", "3"]
    assert numbers(gains)["RCA margin 2"] == ["-0.1"]
    assert numbers(gains)["RCA, losses as published"] == ["0.0", "0.3"]


def numbers(table):
    """Entries of each line, by the first."""
    lines = [re.split(r"  +", line.strip()) for line in table.splitlines() if line[:3] == "RCA"]
    return {name: values for name, *values in lines}


def test_command_line_lists_renders_and_refuses(capsys, tmp_path):
    assert main([]) == 0
    assert "Table 2.1" in capsys.readouterr().out
    assert main(["rca-odds", "--sets", "nothing"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "unknown set 'nothing'; allowed are vowels" in error
    assert main(["rca-odds", "--table", "--out", str(tmp_path / "none.csv")]) == 0
    assert "nothing measured yet" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(["table-9"])
    assert stop.value.code == 2


def test_missing_data_is_reported_cell_by_cell(capsys, tmp_path, monkeypatch):
    def unavailable(name, **kwargs):
        raise DataNotSuppliedError("Data not supplied: glass")

    monkeypatch.setattr(_odds, "fetch_odds", unavailable)
    arguments = ["rca-odds", "--sets", "glass", "--methods", "IForest", "--seeds", "1"]
    assert main([*arguments, "--out", str(tmp_path / "r.csv")]) == 1
    assert "failed: glass IForest rate true 0: DataNotSuppliedError" in capsys.readouterr().err


def every_cell(benchmark, n_seeds):
    sets, methods = (getattr(benchmark, more, ()) for more in ("MORE_SETS", "ALTERNATIVES"))
    choices = itertools.product([None, [*sets] or None], [None, [*methods] or None])
    asked = [{"sets": some, "methods": named} for some, named in choices]
    return {cell for choice in asked for cell in benchmark.cells(n_seeds, **choice)}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_committed_results_are_complete_lines_of_known_cells(name):
    path = RESULTS / f"{name}.csv"
    if BENCHMARKS[name].needs_gpu and not path.exists():
        pytest.skip("measured on a GPU only")
    benchmark = BENCHMARKS[name].load()
    results = ResultFile(path, benchmark.VALUES)
    frame = results.frame()
    assert not frame.empty
    assert not frame.duplicated(list(Cell._fields)).any()
    assert results.measured() <= every_cell(benchmark, frame["seed"].max() + 1)
    assert not frame["commit"].str.endswith("-dirty").any()
    required = frame[[*benchmark.VALUES, "versions"]]
    required = required.drop(columns=getattr(benchmark, "OPTIONAL", []))
    undefined = frame["setting"].eq("clean 0") | frame["method"].eq(ONLY_CLEAN)  # no wrong rows
    assert required.drop(columns="row_auroc", errors="ignore").notna().all().all()
    assert required[~undefined].notna().all().all()


def test_command_line_refuses_in_one_line(capsys, tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    for arguments, message in (
        (["--out", str(tmp_path)], "Is a directory"),
        (["--out", str(tmp_path / "other.csv")], "begins with 'a,b'"),
    ):
        assert main(["rca-odds", "--table", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    for wrong in (["--jobs", "0"], ["--seeds", "-1"], ["--seeds", "two"]):
        with pytest.raises(SystemExit) as stop:
            main(["rca-odds", *wrong])
        assert stop.value.code == 2
        assert "needs a whole number from 1" in capsys.readouterr().err
