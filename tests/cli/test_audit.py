"""``skrobust audit``: ranking, files, report, columns of all kinds; bad input in one line."""

import re
import sys

import numpy as np
import pandas as pd
import pytest

WRONG = [3, 40, 77, 110]
QUICK = ["--epochs", 30, "--rate", 0.04]


def make_woods(n_rows=120):
    """Trees with a species that follows from their cells; four species are wrong."""
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=n_rows)
    names = np.array(["<b>ash</b>", "elm", "oak"], dtype=object)
    frame = pd.DataFrame(
        {
            "tag": [f"T{i:03d}" for i in range(n_rows)],
            "height": 10.0 + 10 * kind + rng.normal(size=n_rows),
            "bark": np.array(["smooth & grey", "rough", "deep"], dtype=object)[kind],
            "planted": [f"19{50 + 10 * k:02d}-0{1 + i % 9}-11" for i, k in enumerate(kind)],
            "species": names[kind],
        }
    )
    truth = frame["species"].copy()
    frame.loc[WRONG, "species"] = names[(kind[WRONG] + 1) % 3]
    return frame, truth


def make_houses(n_rows=200):
    """Prices that follow from size and town; four of them have a digit too many."""
    rng = np.random.default_rng(0)
    size, town = rng.uniform(40, 200, n_rows), rng.integers(2, size=n_rows)
    frame = pd.DataFrame({"size": size, "town": np.where(town, "Lima", "Oslo")})
    frame["price"] = np.round(3 * size + 100 * town + rng.normal(0, 5, n_rows), 2)
    frame.loc[WRONG, "price"] *= 10
    return frame


@pytest.fixture
def woods(tmp_path):
    frame, truth = make_woods()
    path = tmp_path / "woods.csv"
    frame.to_csv(path, index=False)
    return path, frame, truth


@pytest.fixture
def houses(tmp_path):
    frame = make_houses()
    path = tmp_path / "houses.csv"
    frame.to_csv(path, index=False)
    return path, frame


def rows_of(page):
    return [int(row) - 1 for row in re.findall(r'<tr><th scope="row">(\d+)\b', page)][:20]


def test_wrong_labels_come_first_in_table_and_report(run, woods):
    path, frame, truth = woods
    done = run("audit", path, "--target", "species", "--id", "tag", *QUICK)
    assert done.status == 0
    assert [file.name for file in done.files] == ["audit.csv", "audit.html"]
    table = pd.read_csv("audit.csv")
    head = ["tag", "rank", "row", "score", "given", "suggested", "probability", "suspect"]
    assert list(table) == head
    assert list(table["rank"]) == list(range(1, 121))
    assert sorted(table["row"]) == list(range(1, 121))
    assert table["score"].is_monotonic_decreasing
    assert set(table["row"][:4] - 1) == set(WRONG)
    places = table["row"] - 1
    assert list(table["given"]) == list(frame["species"][places])
    assert list(table["suggested"]) == list(truth[places])
    assert list(table["tag"]) == list(frame["tag"][places])
    assert list(table["suspect"]) == [1] * 5 + [0] * 115  # 4 % of 120, rounded up
    assert table["probability"].is_monotonic_increasing
    page = (done.files[1]).read_text(encoding="utf-8")
    assert set(rows_of(page)[:4]) == set(WRONG)
    assert done.out.endswith("wrote audit.csv, audit.html\n")
    assert "suggest another species for 4 of them" in done.out


def test_report_shows_cells_and_suggestions_and_escapes_them(run, woods):
    path, frame, truth = woods
    done = run("audit", path, "--target", "species", "--id", "tag", *QUICK)
    page = done.files[1].read_text(encoding="utf-8")
    assert not re.search(r"https?://|<link|<script|@import|url\(", page)
    assert "<b>" not in page and "&lt;b&gt;ash&lt;/b&gt;" in page
    assert "smooth &amp; grey" in page
    for row in WRONG:
        line = next(x for x in page.splitlines() if f'<th scope="row">{row + 1} (T' in x)
        suggested = truth[row].replace("<", "&lt;").replace(">", "&gt;")
        assert f'<td data-name="suggested">{suggested}</td>' in line
        assert f"(T{row:03d})" in line and frame["planted"][row] in line
        assert f"{frame['height'][row]:.4g}" in line
    for text in ("woods.csv: 120 rows", "tag (id)", "5 of PRLClassifier", "0.04, assumed"):
        assert text in page
    assert not re.search(r"\bnan\b|\$\w", page)


def test_hostile_cells_names_and_ids_are_text(run, woods, tmp_path):
    _, frame, _ = woods
    hostile = "<script>alert('x')</script>"
    frame = frame.rename(columns={"bark": "<img src=x>", "tag": "<id>"})
    frame["<img src=x>"] = hostile
    frame["<id>"] = hostile + frame["<id>"]
    frame.to_csv(tmp_path / "woods.csv", index=False)
    done = run("audit", tmp_path / "woods.csv", "--target", "species", "--id", "<id>", *QUICK)
    page = done.files[1].read_text(encoding="utf-8")
    assert "<script" not in page and "<img src=x" not in page and "<id>" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;T077" in page
    assert "row (&lt;id&gt;)" in page and "&lt;img src=x&gt;</span> &lt;script&gt;" in page


def test_report_counts_given_against_suggested_among_suspects(run, woods):
    path, frame, truth = woods
    done = run("audit", path, "--target", "species", *QUICK, "--rate", 4 / 120)
    page = done.files[1].read_text(encoding="utf-8")
    table = page[page.index('<table class="confusion">') :]
    lines = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table)
    counts = {name: [int(n or 0) for n in re.findall(r">(\d*)</td>", row)] for name, row in lines}
    expected = pd.crosstab(frame["species"][WRONG], truth[WRONG])
    names = sorted({*expected.index, *expected.columns})
    assert len(counts) == 3 and sum(map(sum, counts.values())) == 4
    for i, given in enumerate(names):
        row = counts[given.replace("<", "&lt;").replace(">", "&gt;")]
        for j, suggested in enumerate(names):
            assert row[j] == (expected.get(suggested, {}).get(given, 0)), (i, j)


@pytest.mark.parametrize(("make", "target"), [(make_woods, "species"), (make_houses, "price")])
def test_the_rate_is_estimated(run, tmp_path, make, target):
    made = make(400)
    frame = made[0] if isinstance(made, tuple) else made
    frame.to_csv(tmp_path / "table.csv", index=False)
    ids = ["--id", "tag"] if "tag" in frame else []
    done = run("audit", tmp_path / "table.csv", "--target", target, *ids, "--epochs", 60)
    assert done.status == 0
    line = next(line for line in done.out.splitlines() if line.startswith("wrong values: "))
    found = re.fullmatch(r"wrong values: ([\d.]+)%, estimated \(([\d.]+)% to ([\d.]+)%\)", line)
    rate, low, high = map(float, found.groups())
    assert low <= rate <= high and abs(rate - 1) < 1.5  # 4 of 400
    table = pd.read_csv("audit.csv")
    assert abs(table["suspect"].sum() - 4 * rate) <= 1
    assert set(table["row"][:4] - 1) == set(WRONG)
    page = done.files[1].read_text(encoding="utf-8")
    assert line.removeprefix("wrong values: ") in page and "5 of PRL" in page


def test_a_small_table_gets_a_guess_and_a_note(run, tmp_path):
    frame, _ = make_woods()
    frame[:45].to_csv(tmp_path / "few.csv", index=False)
    done = run("audit", tmp_path / "few.csv", "--target", "species", "--id", "tag", "--epochs", 5)
    assert done.status == 0
    assert "wrong values: 20.0%, a guess (0.0% to 50.0%)" in done.out
    note = next(
        line for line in done.out.splitlines() if line.startswith("note: the share of wrong values")
    )
    assert "45 rows are too few" in note and "--rate" in note
    assert pd.read_csv("audit.csv")["suspect"].sum() == 9


def test_wrong_targets_come_first(run, houses):
    path, frame = houses
    done = run("audit", path, "--target", "price", "--epochs", 60, "--rate", 0.02)
    assert done.status == 0
    table = pd.read_csv("audit.csv")
    assert set(table["row"][:4] - 1) == set(WRONG)
    assert table["suspect"].sum() == 4
    np.testing.assert_allclose(table["given"], frame["price"][table["row"] - 1])
    np.testing.assert_allclose(table["residual"], table["given"] - table["suggested"])
    np.testing.assert_allclose(table["score"], table["residual"].abs())
    true = frame["price"][WRONG] / 10
    assert (
        table.set_index("row")["suggested"][np.add(WRONG, 1)].to_numpy() - true
    ).abs().max() < 90
    page = done.files[1].read_text(encoding="utf-8")
    assert set(rows_of(page)[:4]) == set(WRONG)
    assert re.findall(r'src="([^,]*),', page) == ["data:image/png;base64"]
    assert "4 are above their prediction and 0 below" in page


def test_same_seed_same_table_and_the_target_is_not_a_feature(run, woods):
    path, _, _ = woods
    first = run("audit", path, "--target", "species", "--id", "tag", *QUICK)
    assert "3 columns (1 numeric, 1 categorical, 1 date)" in first.out
    table = first.files[0].read_bytes()
    again = run("audit", path, "--target", "species", "--id", "tag", *QUICK)
    assert again.files[0].read_bytes() == table
    run("audit", path, "--target", "species", "--id", "tag", *QUICK, "--random-state", 1)
    assert first.files[0].read_bytes() != table


@pytest.mark.parametrize(
    "cells, option, described",
    [
        ([1, 2, 3], [], "3 classes"),
        ([1, 2, 10], [], "3 classes"),
        ([1, 2, 3], ["--task", "regression"], "numbers from 1 to 3"),
        ([1.5, 2.5, 3.5], [], "numbers from 1.5 to 3.5"),
        ([1.5, 2.5, 3.5], ["--task", "classification"], "3 classes"),
        ([0.5, 1.5, 1.5], [], "2 classes"),
        (["yes", "no", "no"], [], "2 classes"),
        ([True, False, False], [], "2 classes"),
    ],
)
def test_task(run, tmp_path, cells, option, described):
    path = tmp_path / "table.csv"
    pd.DataFrame({"x": np.arange(30) % 3, "y": cells * 10}).to_csv(path, index=False)
    done = run("audit", path, "--target", "y", *option, "--epochs", 1)
    assert done.status == 0 and described in done.out
    if "classes" in described:
        given = pd.read_csv("audit.csv", dtype=str)["given"]
        assert set(given) == {str(cell) for cell in cells}


def test_many_different_whole_numbers_are_numbers(run, tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame({"x": np.arange(60), "y": np.arange(60) % 21}).to_csv(path, index=False)
    assert "numbers from 0 to 20" in run("audit", path, "--target", "y", "--epochs", 1).out


def test_a_misspelt_label_is_first_and_there_is_a_note(run, woods):
    path, frame, _ = woods
    frame.loc[60, "species"] = "okk"
    frame.to_csv(path, index=False)
    done = run("audit", path, "--target", "species", *QUICK)
    assert done.status == 0
    assert pd.read_csv("audit.csv")["row"][0] == 61
    assert "note: species: 'okk' occurs in one row only" in done.out
    assert "&#39;okk&#39; occurs in one row only" in done.files[1].read_text(encoding="utf-8")


def test_missing_cells_an_empty_column_and_rate_0(run, woods):
    path, frame, _ = woods
    frame.loc[5, "height"] = np.nan
    frame.loc[6, ["bark", "planted"]] = None
    frame["nothing"] = np.nan
    frame.to_csv(path, index=False)
    argv = ["--target", "species", "--missing", "mean", "--epochs", 2, "--rate", 0]
    done = run("audit", path, *argv)
    assert done.status == 0
    table = pd.read_csv("audit.csv")
    assert np.isfinite(table["score"]).all() and table["suspect"].sum() == 0
    page = done.files[1].read_text(encoding="utf-8")
    assert "No row is marked." in page and not re.search(r"\bnan\b", page)
    assert "note: nothing: all cells are missing; not used" in done.out


def test_an_id_column_with_a_name_of_the_output(run, woods):
    path, frame, _ = woods
    frame.rename(columns={"tag": "rank"}).to_csv(path, index=False)
    run("audit", path, "--target", "species", "--id", "rank", "--epochs", 1)
    assert list(pd.read_csv("audit.csv"))[:2] == ["id", "rank"]


def test_parquet(run, woods, tmp_path):
    pytest.importorskip("pyarrow")
    path, frame, _ = woods
    run("audit", path, "--target", "species", *QUICK, "--out", "csv.csv")
    other = tmp_path / "woods.parquet"
    frame["planted"] = pd.to_datetime(frame["planted"])
    frame["species"] = frame["species"].astype("category")
    frame.to_parquet(other)
    assert run("audit", other, "--target", "species", *QUICK).status == 0
    expected = pd.read_csv("csv.csv").sort_values("row")["score"]
    found = pd.read_csv("audit.csv").sort_values("row")["score"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


GOOD = ["x,z,y", *(f"{i},{i % 3},{'ab'[i % 2]}" for i in range(12))]


def with_line(number, line):
    lines = list(GOOD)
    lines[number] = line
    return lines


def labelled(*labels):
    return ["x,y", *(f"{i},{label}" for i, label in enumerate(labels))]


TEXTS = {
    "good": GOOD,
    "empty": [],
    "header": GOOD[:1],
    "one_row": GOOD[:2],
    "three_rows": GOOD[:4],
    "ragged": with_line(3, "1,2"),
    "gap": with_line(4, "3,,a"),
    "infinite": with_line(4, "inf,1,a"),
    "no_label": with_line(4, "3,1,"),
    "one_class": labelled(*"aaaaaaaa"),
    "one_number": labelled(*[2.5] * 8),
    "rare": labelled(*"aaaaaaaabc"),
    "few": labelled(*"aabbccddee"),
    "names": labelled(*"abcdefgh"),
    "only_target": ["y", *("ab" * 6)],
    "infinite_target": labelled(1.5, 2.5, 3.5, "inf", 4.5, 5.5, 6.5),
    "huge_target": labelled(1.5, 2.5, 3.5, 1e200, 4.5, 5.5, 6.5),
    "prices": labelled(1.5, 2.5, 3.5, "cheap", 4.5, 5.5, 6.5),
}
Y = ["--target", "y"]
CASES = [
    ("absent", Y, ["absent.csv", "No such file"]),
    (".", Y, ["directory"]),
    ("empty", Y, ["empty"]),
    ("header", Y, ["no rows"]),
    ("one_row", Y, ["one row", "--folds 5"]),
    ("three_rows", Y, ["3 rows", "--folds 5"]),
    ("three_rows", [*Y, "--folds", "2"], ["3 rows", "2 folds"]),
    ("ragged", Y, ["line 4", "2 fields", "header has 3"]),
    ("binary", Y, ["binary data"]),
    ("gap", Y, ["'z'", "row 4", "--missing mean"]),
    ("infinite", Y, ["'x'", "row 4", "infinite"]),
    ("no_label", Y, ["'y'", "missing", "row 4"]),
    ("no_label", [*Y, "--missing", "mean"], ["'y'", "missing", "row 4"]),
    ("one_class", Y, ["'y'", "one class", "'a'"]),
    ("one_number", Y, ["'y'", "one value", "2.5"]),
    ("rare", Y, ["'y'", "only 'a'", "more than one row"]),
    ("few", Y, ["no label occurs in 5 rows", "--folds 2"]),
    ("names", Y, ["'y'", "every label occurs in one row", "regression"]),
    ("only_target", Y, ["no column", "besides the target"]),
    ("infinite_target", Y, ["'y'", "row 4", "infinite"]),
    ("infinite_target", [*Y, "--task", "classification"], ["'y'", "row 4", "infinite"]),
    ("huge_target", Y, ["'y'", "row 4", "1e+200"]),
    ("prices", [*Y, "--task", "regression"], ["'y'", "row 4", "'cheap'", "no number"]),
    ("good", [*Y, "--task", "regression"], ["'y'", "row 1", "'a'", "no number"]),
    ("good", [], ["--target"]),
    ("good", ["--target", "zip"], ["--target zip", "'x', 'z', 'y'"]),
    ("good", [*Y, "--id", "zip"], ["--id zip", "'x', 'z', 'y'"]),
    ("good", [*Y, "--id", "y"], ["--id and --target", "'y'"]),
    ("good", [*Y, "--rate", "0.6"], ["--rate", "0.6"]),
    ("good", [*Y, "--rate", "-0.1"], ["--rate", "-0.1"]),
    ("good", [*Y, "--rate", "nan"], ["--rate", "nan"]),
    ("good", [*Y, "--folds", "1"], ["--folds", "1"]),
    ("good", [*Y, "--folds", "7"], ["no label occurs in 7 rows", "--folds 6"]),
    ("good", [*Y, "--task", "ranking"], ["--task", "ranking"]),
    ("good", [*Y, "--missing", "median"], ["--missing", "median"]),
    ("good", [*Y, "--random-state", "-1"], ["--random-state", "-1"]),
    ("good", [*Y, "--out", "nowhere/a.csv"], ["--out", "nowhere"]),
    ("good", [*Y, "--report", "audit.csv"], ["--report", "audit.csv"]),
    ("good", [*Y, "--out", "../good.csv"], ["--out", "good.csv"]),
]


@pytest.mark.parametrize("name, argv, words", CASES, ids=[f"{n}{''.join(a)}" for n, a, _ in CASES])
def test_refuses(run, tmp_path, name, argv, words):
    path = tmp_path / f"{name}.csv"
    if name == "binary":
        path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    elif name in TEXTS:
        path.write_text("\n".join(TEXTS[name]) + "\n" * bool(TEXTS[name]), encoding="utf-8")
    done = run("audit", tmp_path if name == "." else path, *argv, "--epochs", 1)
    assert done.status == 2
    assert done.err.count("\n") == 1 and done.err.startswith("skrobust")
    assert all(word in done.err for word in words), done.err
    assert done.files == []


def test_nothing_is_written_when_writing_the_report_fails(run, woods, monkeypatch):
    def broken(*args):
        raise RuntimeError("no page")

    module = sys.modules["skrobust.cli._audit"]
    monkeypatch.setattr(module, "build_audit_report", broken)
    path, _, _ = woods
    with pytest.raises(RuntimeError):
        run("audit", path, "--target", "species", "--epochs", 1)
    assert list(path.parent.glob("out/*")) == []


def test_a_typing_error_hides_no_wrong_label(run, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    wrong = rng.permutation(300) < 30
    frame["open"] = np.where((frame["a"] > 0) ^ wrong, "yes", "no")
    frame.loc[0, "a"] = 99999
    frame.to_csv(tmp_path / "doors.csv", index=False)
    assert run("audit", tmp_path / "doors.csv", "--target", "open", *QUICK).status == 0
    found = pd.read_csv("audit.csv")
    assert wrong[found["row"].to_numpy()[:20] - 1].mean() > 0.8
