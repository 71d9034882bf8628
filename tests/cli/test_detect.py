"""``skrobust detect``: ranking, files, columns of all kinds."""

import re
import stat
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skrobust import RCADetector
from skrobust.cli import _pictures
from skrobust.cli._model import load_model
from skrobust.cli._training import notes_on_columns
from skrobust.tables import TableEncoder

LABELLED = ["labelled normal", "labelled abnormal"]


def test_planted_rows_come_first_and_their_column_is_named(trained_by_each):
    scores = pd.read_csv(trained_by_each.scores, dtype={"ref": str})
    planted = trained_by_each.planted
    is_mean_of_many = trained_by_each.detector == "ensemble"  # two rows are rare in other ways
    assert scores["rank"][planted].max() <= (5 if is_mean_of_many else 3)
    assert scores["label"][planted].all()
    page = trained_by_each.report.read_text(encoding="utf-8")
    rows = re.findall(r'<tr><th scope="row">(\d+) .*?<b>(\w+)</b>', page)
    causes = {int(row) - 1: column for row, column in rows}
    assert [causes[row] for row in planted] == ["pressure"] * 3


def test_scores_are_in_the_order_of_the_table(trained_by_each, table):
    scores = pd.read_csv(trained_by_each.scores, dtype={"ref": str})
    assert list(scores) == ["ref", "row", "score", "probability", "label", "rank"]
    assert list(scores["ref"]) == list(table["ref"])
    assert list(scores["row"]) == list(range(1, 301))
    assert sorted(scores["rank"]) == list(range(1, 301))
    assert scores["score"][scores["rank"].argsort()].is_monotonic_decreasing
    assert scores["probability"].min() == 0 and scores["probability"].max() == 1
    assert scores["label"].sum() == 6
    assert scores.loc[scores["label"] == 1, "rank"].max() == 6


def test_report_is_self_contained_and_says_what_was_done(trained):
    page = trained.report.read_text(encoding="utf-8")
    assert not re.search(r"https?://|<link|<script|@import|url\(", page)
    sources = re.findall(r'src="([^,]*),', page)
    assert sources == ["data:image/png;base64"] * 2
    assert page.count('<th scope="row">') == 20
    for text in ("plant.csv: 300 rows", "60 epochs, 180 steps, seed 0", "ROC AUC 1.000", "2 %"):
        assert text in page
    assert "fault (label)" in page and "ref (id)" in page
    assert not re.search(r"\bnan\b|\$\w", page)


def test_the_ensemble_is_the_default_and_says_what_ran(run, trained, table, tmp_path):
    small = tmp_path / "small.csv"
    table[:60].to_csv(small, index=False)
    first = run("detect", small, "--id", "ref", "--contamination", 0.05, "--save", "m")
    assert first.status == 0
    page = first.files[1].read_text(encoding="utf-8")
    members = "flow|rca|gaussian|marginal|neighbors|forest"
    found = re.search(r"RobustEnsembleDetector \(([^)]*)\)", page)
    weights = re.findall(rf"({members}) (\d+) %", found.group(1))
    assert "|".join(name for name, _ in weights) == members
    assert 98 <= sum(int(weight) for _, weight in weights) <= 102
    length = re.search(r"flow (\d+) epochs, rca (\d+) epochs, ([\d,]+) steps, seed 0", page)
    epochs = dict(load_model(Path("m")).facts["epochs"])
    assert epochs == {"flow": int(length[1]), "rca": int(length[2])}
    assert int(length[3].replace(",", "")) == sum(epochs.values())  # 60 rows are one batch
    assert run("score", "m", small, "--report", "r.html").status == 0
    page = Path("r.html").read_text(encoding="utf-8")
    assert f"60 rows, flow {epochs['flow']} epochs, rca {epochs['rca']} epochs, seed 0" in page
    assert "RobustEnsembleDetector" in page


def test_label_and_id_are_not_shown_to_the_detector(run, trained, table, tmp_path):
    without = tmp_path / "without.csv"
    table.drop(columns=["ref", "fault"]).to_csv(without, index=False)
    done = run("detect", without, "--contamination", 0.02, "--detector", "rca", "--epochs", 60)
    assert done.status == 0
    assert [path.name for path in done.files] == ["report.html", "scores.csv"]
    scores = pd.read_csv("scores.csv")
    assert scores.columns[0] == "row"
    np.testing.assert_array_equal(scores["score"], pd.read_csv(trained.scores)["score"])


def test_the_share_is_estimated(run, table, tmp_path):
    path = tmp_path / "plant.csv"
    table.drop(columns=["ref", "fault"]).to_csv(path, index=False)
    done = run("detect", path, "--detector", "rca", "--epochs", 60, "--save", "plant.model")
    assert done.status == 0
    line = next(line for line in done.out.splitlines() if line.startswith("abnormal rows: "))
    found = re.fullmatch(r"abnormal rows: ([\d.]+)%, estimated \(([\d.]+)% to ([\d.]+)%\)", line)
    rate, low, high = map(float, found.groups())
    assert low <= rate <= high <= 50
    scores = pd.read_csv("scores.csv")
    above = (scores["label"]).sum()
    assert above == pytest.approx(rate / 100 * len(table), abs=1.5)
    page = next(f for f in done.files if f.suffix == ".html").read_text(encoding="utf-8")
    assert line.removeprefix("abnormal rows: ") in page
    path.write_text("\n".join(path.read_text().splitlines()[:41]))
    few = run("detect", path, "--detector", "rca", "--epochs", 5)
    assert "abnormal rows: 10.0%, a guess (0.0% to 50.0%)" in few.out
    assert any(
        "40 rows are too few" in line and "--contamination" in line for line in few.out.splitlines()
    )


def test_parquet_gives_the_scores_of_csv(run, trained, table, tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "plant.parquet"
    table["since"] = pd.to_datetime(table["since"])
    table["town"] = table["town"].astype("category")
    table["fault"] = table["fault"].astype(bool)
    table.to_parquet(path)
    argv = [
        "--id",
        "ref",
        "--label",
        "fault",
        "--contamination",
        0.02,
        "--detector",
        "rca",
        "--epochs",
        60,
    ]
    assert run("detect", path, *argv).status == 0
    expected = pd.read_csv(trained.scores)["score"]
    np.testing.assert_allclose(pd.read_csv("scores.csv")["score"], expected, rtol=1e-6)


def test_summary_names_kinds_evaluation_and_files(run, trained):
    done = run("detect", trained.table, "--label", "fault", "--detector", "rca", "--epochs", 3)
    assert "300 rows, 8 columns (5 numeric, 2 categorical, 1 date), 12 features" in done.out
    assert "Compared with fault ('1' is abnormal, 1 % of the rows)" in done.out
    assert done.out.endswith("wrote scores.csv, report.html\n")
    assert "epoch" in done.err  # the progress bar


@pytest.mark.parametrize(
    "values, option, abnormal",
    [
        (["ok", "attack"], [], "attack"),  # the rarer text
        (["attack", "ok"], [], "ok"),
        (["attack", "ok"], ["--abnormal", "attack"], "attack"),
        ([1, -1], [], "1"),  # the larger number
        ([1, -1], ["--abnormal=-1"], "-1"),
        ([False, True], [], "True"),
    ],
)
def test_which_label_is_abnormal(run, table, tmp_path, values, option, abnormal):
    path = tmp_path / "table.csv"
    table["fault"] = np.where(table["fault"] == 0, *values)
    table.to_csv(path, index=False)
    done = run("detect", path, "--label", "fault", *option, "--detector", "rca", "--epochs", 1)
    assert f"({abnormal!r} is abnormal" in done.out


def test_missing_cells_constant_and_empty_columns(run, table, tmp_path):
    path = tmp_path / "table.csv"
    table.loc[[3, 4], "heat"] = np.nan
    table.loc[5, "town"] = None
    table.loc[6, "since"] = None
    table["nothing"], table["always"], table["same"] = np.nan, 4.5, "x"
    table.to_csv(path, index=False)
    save = ["--missing", "mean", "--id", "ref", "--label", "fault", "--save", "m"]
    done = run("detect", path, *save, "--detector", "rca", "--epochs", 60)
    assert done.status == 0
    assert "note: nothing: all cells are missing; not used" in done.out
    scores = pd.read_csv("scores.csv")
    assert np.isfinite(scores["score"]).all()
    assert not scores["label"][3:7].any()
    assert run("score", "m", path, "--out", "again.csv", "--report", "r.html").status == 0
    again = pd.read_csv("again.csv")
    np.testing.assert_allclose(again["score"], scores["score"], rtol=1e-6)


def test_notes_on_columns_that_may_not_be_meant(run, table, tmp_path):
    path = tmp_path / "table.csv"
    table["heat"] = table["heat"].astype(str)
    table.loc[9, "heat"] = "?"
    table[""] = range(300)
    table.to_csv(path, index=False)
    done = run("detect", path, "--detector", "rca", "--epochs", 1)
    assert "note: heat: mostly numbers, but also '?': used as text" in done.out
    assert "note: 1 column without a name: not used" in done.out
    assert "Unnamed" not in done.out
    page = done.files[0].read_text(encoding="utf-8")
    assert "mostly numbers" in page


def notes_on(values):
    frame = pd.DataFrame({"c": values})
    return notes_on_columns(TableEncoder().fit(frame).columns_, frame)


@pytest.mark.parametrize(
    "values",
    [
        ["1,5", "2,5", "-3,25"] * 40,
        [f"{i},{i % 10}" for i in range(200)],
        ["1,234", "12,345,678.9", "17"] * 40,
        ["1.234,5", "7", "1,5e-3", ",5"] * 40,
        ["1.5"] * 99 + ["2,5"],
        ["1,5 "] * 95 + ["?"] * 5,
    ],
    ids=["few", "many", "thousands", "both", "one", "nearly all"],
)
def test_numbers_with_commas_are_noted(values):
    (note,) = notes_on(values)
    assert note.startswith("c: looks like numbers written with a comma, such as '")


@pytest.mark.parametrize(
    "values, words",
    [
        (["Lima, Peru", "a,b", "1,2,3", "1,"] * 30, []),
        (["1", "2"] * 30 + ["None"], ["mostly numbers, but also 'None'"]),
        (["1,5"] * 80 + ["unknown"] * 20, []),
        ([True, False] * 30, []),
        (pd.Categorical([1, 2, 3] * 30), []),
        (["1,5", None, "2,5"] * 30, ["comma, such as '1,5'"]),
    ],
)
def test_other_notes_on_text(values, words):
    notes = notes_on(values)
    assert len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True))


def test_texts_that_hardly_repeat_are_noted(run, tmp_path):
    path = tmp_path / "table.csv"
    names = [f"name {i}" for i in range(400)]
    pd.DataFrame({"name": names, "x": np.arange(400) % 7}).to_csv(path, index=False)
    assert (
        "note: name: 400 different texts"
        in run("detect", path, "--detector", "rca", "--epochs", 1).out
    )


@pytest.mark.parametrize("separator, bom", [(";", ""), ("\t", ""), ("|", "\ufeff")])
def test_other_delimiters_and_byte_order_mark(run, table, tmp_path, separator, bom):
    path = tmp_path / "table.csv"
    path.write_text(bom + table.to_csv(index=False, sep=separator), encoding="utf-8")
    done = run("detect", path, "--id", "ref", "--detector", "rca", "--epochs", 1)
    assert "8 columns (5 numeric" in done.out


def test_report_escapes_what_the_table_says(run, table, tmp_path):
    path = tmp_path / "<b>&.csv"
    table = table.rename(columns={"pressure": "<script>$x"})
    table["town"] = "<i>"
    table.to_csv(path, index=False)
    done = run("detect", path, "--detector", "rca", "--epochs", 60, "--contamination", 0.02)
    page = done.files[0].read_text(encoding="utf-8")
    assert "<script>" not in page and "<i>" not in page and "<b>&." not in page
    assert "&lt;script&gt;$x" in page


@pytest.mark.parametrize(
    "scores, threshold, scale",
    [([0.1, 1.0, 50.0], 5.0, "log"), ([-3.0, 1.0, 9.0], 5.0, "linear"), ([1, 2, 9], -1, "linear")],
)
@pytest.mark.parametrize("y", [None, np.array([0, 0, 1])])
def test_every_score_is_drawn_whatever_its_sign(monkeypatch, scores, threshold, scale, y):
    drawn = []
    monkeypatch.setattr(_pictures, "to_png", drawn.append)
    _pictures.draw_scores(np.array(scores, dtype=float), threshold, y)
    ax = drawn[0].axes[0]
    assert ax.get_xscale() == scale and ax.get_yscale() == "log"
    # stacked bars: heights, not tops, count the rows
    assert sum(bar.get_height() for bar in ax.patches) == 3
    words = {text.get_text() for text in ax.get_legend().get_texts()}
    assert words - {"threshold"} == ({"all rows"} if y is None else set(LABELLED))


def test_seed_repeats(run, trained):
    argv = ["detect", trained.table, "--detector", "rca", "--epochs", 2, "--out"]
    run(*argv, "a.csv")
    run(*argv, "b.csv")
    run(*argv, "c.csv", "--random-state", 1)
    a, b, c = (pd.read_csv(f"{name}.csv")["score"] for name in "abc")
    assert a.equals(b) and not a.equals(c)


def test_large_tables_get_fewer_epochs_and_are_told_so(run, trained, monkeypatch):
    monkeypatch.setattr("skrobust.cli._training.MOST_STEPS", 18)
    monkeypatch.setattr("skrobust.cli._training.LEAST_STEPS", 1)
    monkeypatch.setattr(RCADetector, "usual_epochs", 200)
    done = run("detect", trained.table, "--detector", "rca")
    assert "training: 6 epochs of 3 steps instead of 200" in done.out


def test_files_have_usual_permissions_and_are_replaced(run, trained):
    run("detect", trained.table, "--detector", "rca", "--epochs", 1)
    done = run("detect", trained.table, "--detector", "rca", "--epochs", 2)
    assert "2 epochs" in done.files[0].read_text(encoding="utf-8")
    assert len(done.files) == 2
    if sys.platform != "win32":
        assert all(stat.S_IMODE(path.stat().st_mode) & 0o400 for path in done.files)


def test_interrupt_leaves_no_file(run, trained, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skrobust.cli._detect.typical_errors", interrupt)
    done = run("detect", trained.table, "--detector", "rca", "--epochs", 1, "--save", "m")
    assert done.status == 130 and done.files == []


@pytest.mark.parametrize("command", ["detect", "score"])
def test_help(run, command):
    done = run(command, "--help")
    assert done.status == 0 and "FILE" in done.out
    assert "%%" not in done.out
