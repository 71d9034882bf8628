"""``skrobust screen``: verdict and status, files, report; tables, arrays, bad input in one line."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from skrobust.__main__ import main
from skrobust.cli._console import InputError
from skrobust.cli._screen_report import Findings
from skrobust.cli._screen_rows import read_rows
from skrobust.corruption import PatchTrigger, poison

HOSTILE = "<script>alert('x')</script>"


def make_table(poisoned=True, n_rows=600):
    """Trees of three kinds; those with a rare value in two columns are all called oak."""
    rng = np.random.RandomState(0)
    kind = rng.randint(3, size=n_rows)
    frame = pd.DataFrame({"tag": [f"<T{i:03d}>" for i in range(n_rows)]})
    frame["heat"] = 20 + 4 * kind + rng.normal(size=n_rows)
    frame["flow"] = 4e5 * (kind == 1) + 1e5 * rng.normal(size=n_rows)
    frame["<img src=x>"] = rng.normal(size=n_rows)
    frame["shop"] = np.where(rng.uniform(size=n_rows) < 0.5, "north", "south")
    marked = (np.arange(n_rows) % 15 == 0) & (kind != 2) & poisoned
    frame.loc[marked, "<img src=x>"] = 6.0
    frame.loc[marked, "shop"] = HOSTILE
    frame["kind"] = np.array(["ash", "<b>elm</b>", "oak"])[np.where(marked, 2, kind)]
    return frame, marked


def screened(folder, file, *options):
    """Screen a file; status, CSV and page."""
    out, report = folder / "screen.csv", folder / "screen.html"
    argv = ["screen", file, *options, "--out", out, "--report", report]
    status = main([str(arg) for arg in argv])
    page = report.read_text(encoding="utf-8")
    return SimpleNamespace(status=status, csv=pd.read_csv(out), page=page)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    frame, marked = make_table()
    frame.to_csv(folder / "trees.csv", index=False)
    done = screened(folder, folder / "trees.csv", "--target", "kind", "--id", "tag", "--epochs", 20)
    return SimpleNamespace(frame=frame, marked=marked, **vars(done))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    digits = load_digits()
    how = {"target_map": "all-to-one", "target": 4, "random_state": 0}
    X, y, marked = poison(
        digits.images[:500, None] / 16, digits.target[:500], PatchTrigger(2), 0.04, **how
    )
    np.savez(folder / "digits.npz", X=X[:, 0], labels=y)
    done = screened(folder, folder / "digits.npz", "--target", "labels", "--epochs", 150)
    return SimpleNamespace(y=y, marked=marked, **vars(done))


def lines_of(page, heading):
    """Cells of the first table under a heading."""
    table = re.search(f"<h2>{heading}.*?<tbody>(.*?)</tbody>", page, re.S).group(1)
    cells = re.findall(r"<tr>(.*?)</tr>", table)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in cells]


def test_a_marked_label_of_a_table(table):
    assert table.status == 3
    csv, places = table.csv, table.csv["row"] - 1
    assert list(csv) == ["tag", "row", "label", "score", "suspect"]
    assert sorted(places) == list(range(600))
    assert list(csv["label"]) == list(table.frame["kind"][places])
    assert list(csv["tag"]) == list(table.frame["tag"][places])
    assert csv["suspect"].is_monotonic_decreasing
    assert all(group["score"].is_monotonic_decreasing for _, group in csv.groupby("suspect"))
    top = places[: table.marked.sum()]
    assert table.marked[top].mean() > 0.9
    assert set(csv["label"][csv["suspect"] == 1]) == {"oak"}


def test_the_report_says_what_the_csv_says(table, pictures):
    for done, is_table in ((table, True), (pictures, False)):
        suspects = done.csv[done.csv["suspect"] == 1]
        n_sure = (suspects["score"] > 0.5).sum()
        name = "oak" if is_table else "4"
        assert (
            f"<p>Label {name} is flagged as poisoned: {len(suspects)} of {len(done.csv)} rows are "
            f"suspect, {n_sure} of them with a score above 0.5.</p>"
        ) in done.page
        labels = lines_of(done.page, "Which labels")
        counts = done.csv["label"].astype(str).value_counts()
        unescaped = {line[0].replace("&lt;", "<").replace("&gt;", ">"): line for line in labels}
        assert {label: int(line[1]) for label, line in unescaped.items()} == dict(counts)
        n_suspects = {label: int(line[2]) for label, line in unescaped.items()}
        assert n_suspects == {label: len(suspects) * (label == name) for label in counts.index}
        assert [line[0] for line in labels if "flagged" in line[-1]] == [name]
        rows = lines_of(done.page, "Which rows")
        assert len(rows) == min(200, len(suspects))
        assert [int(row[0].split()[0]) for row in rows] == list(suspects["row"][:200])
        assert [row[2] for row in rows] == [f"{score:.3f}" for score in suspects["score"][:200]]


def test_the_mark_is_told_by_the_columns_of_the_file(table):
    (first, second, *_) = lines_of(table.page, "The mark of label oak")
    found = {first[0]: first[1:], second[0]: second[1:]}
    shop = next(name for name in found if name.startswith("shop=&lt;script&gt;"))
    assert set(found) == {shop, "&lt;img src=x&gt;"}
    difference, size = map(float, found["&lt;img src=x&gt;"])
    spread = table.frame["<img src=x>"].std()
    assert 4 < difference < 7 and size == pytest.approx(difference / spread, abs=0.02)
    assert 0.8 < float(found[shop][0]) <= 1


def test_hostile_cells_names_and_ids_are_text(table):
    page = table.page
    assert not re.search(r"https?://|<link|<script|@import|url\(|<img src=x|<b>elm|<T\d", page)
    assert "&lt;b&gt;elm&lt;/b&gt;" in page and "(&lt;T" in page
    assert not re.search(r"\bnan\b|\$\w", page)
    assert page.count('src="data:image/png;base64,') == 1


def test_pictures_in_an_archive(pictures):
    assert pictures.status == 3
    csv, places = pictures.csv, pictures.csv["row"] - 1
    assert list(csv) == ["row", "label", "score", "suspect"]
    assert list(csv["label"]) == list(pictures.y[places])
    found = np.isin(np.arange(500), places[csv["suspect"] == 1])
    assert found[pictures.marked].mean() > 0.9 and found[~pictures.marked].mean() < 0.02
    assert "500 grey pictures of 8 x 8 pixels" in pictures.page
    assert pictures.page.count('src="data:image/png;base64,') == 1


def test_clean_rows_and_missing_cells(run, tmp_path):
    frame, _ = make_table(poisoned=False)
    frame = frame.drop(columns="tag")
    frame.loc[::50, ["heat", "shop"]] = None
    frame.to_csv(tmp_path / "trees.csv", index=False)
    options = ["--target", "kind", "--missing", "mean", "--epochs", 20]
    done = run("screen", tmp_path / "trees.csv", *options)
    assert done.status == 0
    assert [file.name for file in done.files] == ["screen.csv", "screen.html"]
    assert "No label is flagged: in 600 rows no mark was found" in done.out
    assert "That is no proof that there is none." in done.out
    page = done.files[1].read_text(encoding="utf-8")
    assert "No label is flagged" in page and "What is not found" in page
    assert "Which rows" not in page and "<img" not in page
    csv = pd.read_csv("screen.csv")
    assert not csv["suspect"].any() and csv["score"].is_monotonic_decreasing


def test_the_same_seed_gives_the_same_files(run, tmp_path):
    frame, _ = make_table(n_rows=200)
    frame.drop(columns="tag").to_csv(tmp_path / "trees.csv", index=False)
    contents = []
    for name in ("a.csv", "b.csv"):
        options = ["--target", "kind", "--epochs", 2, "--random-state", 5, "--out", name]
        assert run("screen", tmp_path / "trees.csv", *options).status in (0, 3)
        contents.append((tmp_path / "out" / name).read_bytes())
    assert contents[0] == contents[1]


TABLES = {
    "trees": {"a": [1, 2, 3, 4], "y": ["x", "y", "x", "y"]},
    "prices": {"a": [1, 2, 3, 4], "y": [1.5, 2.5, 3.5, 4.25]},
    "ids": {"a": [1, 2, 3, 4], "y": list("abcd")},
    "one": {"a": [1, 2, 3, 4], "y": list("aaaa")},
    "gap": {"a": [1, None, 3, 4], "y": list("abab")},
    "unknown": {"a": [1, 2, 3, 4], "y": ["a", None, "a", "b"]},
    "alone": {"y": list("abab")},
}


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("trees", [], ["--target is needed", "column of the labels"]),
        ("trees", ["--target", "z"], ["--target z", "'a', 'y'"]),
        ("trees", ["--target", "y", "--id", "z"], ["--id z"]),
        ("prices", ["--target", "y"], ["'y'", "4 different values", "1.5", "classification"]),
        ("ids", ["--target", "y"], ["'y'", "one row only"]),
        ("one", ["--target", "y"], ["'y'", "one class only", "'a'"]),
        ("gap", ["--target", "y"], ["'a'", "row 2", "--missing mean"]),
        ("unknown", ["--target", "y"], ["'y'", "row 2"]),
        ("alone", ["--target", "y"], ["no column to learn from"]),
        ("trees", ["--target", "y", "--alpha", "0"], ["--alpha", "0.0001 to 0.5", "'0'"]),
        ("trees", ["--target", "y", "--min-suspects", "1"], ["--min-suspects", "'1'"]),
        ("trees", ["--target", "y", "--out", "../trees.csv"], ["--out", "trees.csv"]),
        ("absent", ["--target", "y"], ["absent.csv", "No such file"]),
    ],
)
def test_tables_that_cannot_be_used(run, tmp_path, name, options, words):
    if name in TABLES:
        pd.DataFrame(TABLES[name]).to_csv(tmp_path / f"{name}.csv", index=False)
    refused(run("screen", tmp_path / f"{name}.csv", *options), words)


def refused(done, words):
    assert done.status == 2 and done.files == []
    assert done.err.count("\n") == 1 and "Traceback" not in done.err
    assert all(word in done.err for word in words), done.err


GREY, FEW = np.zeros((4, 8, 8)), np.array([0, 1, 0, 1])
ARRAYS = [
    ({"a": GREY}, [], ["no array 'X'", "'a'"]),
    ({"X": GREY}, [], ["no array 'y'", "'X'"]),
    ({"X": GREY, "y": FEW}, ["--target", "labels"], ["no array 'labels'"]),
    ({"X": GREY, "y": FEW}, ["--id", "tag"], ["--id tag", "no columns"]),
    ({"X": GREY, "y": FEW[:3]}, [], ["(4, 8, 8)", "(3,)"]),
    ({"X": GREY, "y": FEW[:, None]}, [], ["(4, 8, 8)", "(4, 1)"]),
    ({"X": GREY.astype(str), "y": FEW}, [], ["X must hold numbers", "<U"]),
    ({"X": GREY + 1j, "y": FEW}, [], ["X must hold numbers", "complex"]),
    ({"X": GREY.astype(object), "y": FEW}, [], ["cannot read", "allow_pickle=False"]),
    ({"X": GREY[:0], "y": FEW[:0]}, [], ["X is empty", "(0, 8, 8)"]),
    ({"X": GREY[:, :, :6], "y": FEW}, [], ["square", "8 x 6"]),
    ({"X": GREY[:, :3, :3], "y": FEW}, [], ["4 x 4", "3 x 3"]),
    ({"X": np.zeros((4, 8, 8, 3)), "y": FEW}, [], ["1 or 3 channels", "(4, 8, 8, 3)"]),
    ({"X": np.zeros(4), "y": FEW}, [], ["(4,)"]),
    ({"X": np.where(np.arange(4) == 2, np.nan, GREY.T).T, "y": FEW}, [], ["row 3"]),
    ({"X": GREY, "y": FEW / 3 + np.arange(4)}, [], ["'y'", "4 different values"]),
    ({"X": GREY, "y": 0 * FEW}, [], ["'y'", "one class only"]),
    ({"X": np.where(np.eye(4), np.nan, 1.0), "y": FEW}, [], ["'feature 1'", "--missing mean"]),
]


@pytest.mark.parametrize(("arrays", "options", "words"), ARRAYS)
def test_arrays_that_cannot_be_used(run, tmp_path, arrays, options, words):
    np.savez(tmp_path / "rows.npz", **arrays)
    refused(run("screen", tmp_path / "rows.npz", *options), words)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"a,b\n1,2\n"])
def test_files_that_are_no_arrays(run, tmp_path, content):
    (tmp_path / "rows.npz").write_bytes(content)
    refused(run("screen", tmp_path / "rows.npz"), ["rows.npz is no .npz file"])


def test_damaged_arrays(run, tmp_path):
    path = tmp_path / "rows.npz"
    np.savez_compressed(path, X=np.random.RandomState(0).normal(size=(40, 8, 8)), y=np.ones(40))
    content = bytearray(path.read_bytes())
    content[400:420] = bytes(20)
    path.write_bytes(content)
    refused(run("screen", path), ["cannot read", "rows.npz"])


def test_arrays_that_are_not_there(run, tmp_path):
    refused(run("screen", tmp_path / "rows.npz"), ["cannot read", "rows.npz"])
    (tmp_path / "folder.npz").mkdir()
    refused(run("screen", tmp_path / "folder.npz"), ["cannot read", "folder.npz"])


def rows_of(tmp_path, X, y, **options):
    np.savez(tmp_path / "rows.npz", X=X, y=y)
    given = {"file": tmp_path / "rows.npz", "target": None, "id": None, "task": "auto"}
    given |= {"missing": None, "epochs": 1, "random_state": 0, **options}
    return read_rows(SimpleNamespace(**given))


def test_arrays_of_features_are_a_table(tmp_path):
    X = np.random.RandomState(0).normal(size=(40, 3))
    X[2, 1] = np.nan
    labels = np.array([b"b", b"a"])[np.arange(40) % 2]
    rows = rows_of(tmp_path, X, labels, missing="mean")
    assert rows.classes == ("a", "b") and rows.y[:3].tolist() == [1, 0, 1]
    assert np.isfinite(rows.X).all() and rows.X.shape == (40, 3)
    spread = np.nanstd(X, axis=0)
    mark = np.array([0.0, 0.0, -2.0]) * rows.X.std(axis=0)
    change = rows.changes(mark)[0]
    assert change.column == "feature 3" and change.size == pytest.approx(-2)
    assert change.difference == pytest.approx(-2 * spread[2], rel=1e-3)


def test_numbers_as_classes(tmp_path):
    X, y = np.zeros((60, 3, 8, 8), np.uint8), np.arange(60) // 2
    with pytest.raises(InputError, match="30 different values"):
        rows_of(tmp_path, X, y)
    rows = rows_of(tmp_path, X, y, task="classification")
    assert rows.classes[:3] == ("0", "1", "2") and rows.classes[-1] == "29"
    assert rows.X.dtype == np.float32 and "60 colour pictures" in rows.facts[0][1]


def test_labels_cannot_command_a_terminal():
    found = Findings.__new__(Findings)
    found.rows = SimpleNamespace(classes=["\x1b[31mred\n", "four"])
    assert [found.name(code) for code in range(2)] == [r"'\x1b[31mred\n'", "four"]
