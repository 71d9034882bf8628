"""Input that cannot be used: status 2, one line that names it, nothing written."""

import numpy as np
import pandas as pd
import pytest

LINES = ["a,b,c", "1,2,x", "3,4,y", "5,6,x", "7,8,y"]


def with_line(number, line):
    lines = list(LINES)
    lines[number] = line
    return lines


FILES = {
    "empty": b"",
    "blank": b"\n \n",
    "header_only": b"a,b,c\n",
    "binary": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "late_binary": "\n".join(LINES).encode() + b"\n1,2," + 9000 * b"z" + b"\0\n",
    "latin1": "a,b\n1,Zürich\n2,Genève\n".encode("latin-1"),
    "open_quote": b'a,b\n1,"x\n2,y\n3,z\n',
    "two_names": b"a,b,a\n1,2,3\n4,5,6\n",
    "cut_parquet": b"PAR1\x15\x04\x15",
}
TEXTS = {
    "good": LINES,
    "long_line": with_line(3, "5,6,x,9"),
    "short_line": with_line(2, "3,4"),
    "one_row": LINES[:2],
    "missing": with_line(2, "3,,y"),
    "infinite": with_line(3, "5,-inf,x"),
    "huge": with_line(3, "5,1e200,x"),
    "empty_column": ["a,b", "1,", "2,"],
    "only_names": [",", "1,2", "3,4"],
}
CASES = [
    ("absent", [], ["absent.csv", "No such file"]),
    (".", [], ["directory"]),
    ("empty", [], ["empty.csv is empty"]),
    ("blank", [], ["blank.csv is empty"]),
    ("header_only", [], ["header_only.csv", "no rows"]),
    ("binary", [], ["binary.csv", "binary data"]),
    ("late_binary", [], ["late_binary.csv, line 6", "binary"]),
    ("latin1", [], ["latin1.csv", "UTF-8"]),
    ("open_quote", [], ["open_quote.csv, line 2", "quotes"]),
    ("two_names", [], ["two columns named 'a'"]),
    ("cut_parquet", [], ["cut_parquet.csv", "arquet"]),
    ("long_line", [], ["line 4", "4 fields", "header has 3"]),
    ("short_line", [], ["line 3", "2 fields", "header has 3"]),
    ("one_row", [], ["one row"]),
    ("missing", [], ["'b'", "row 2", "--missing mean"]),
    ("empty_column", [], ["'b'", "--missing mean"]),
    ("infinite", [], ["'b'", "row 3", "-inf"]),
    ("huge", [], ["'b'", "row 3", "1e+200"]),
    ("only_names", [], ["no column"]),
    ("good", ["--id", "zip"], ["zip", "'a', 'b', 'c'"]),
    ("good", ["--label", "zip"], ["zip", "'a', 'b', 'c'"]),
    ("good", ["--label", "a"], ["'a'", "two values", "4"]),
    ("good", ["--label", "c", "--abnormal", "z"], ["'c'", "'z'"]),
    ("good", ["--abnormal", "z"], ["--label"]),
    ("missing", ["--label", "b"], ["'b'", "row 2"]),
    ("good", ["--id", "c", "--label", "c"], ["'c'"]),
    ("good", ["--contamination", "0.9"], ["--contamination", "0.9"]),
    ("good", ["--contamination", "nan"], ["--contamination", "nan"]),
    ("good", ["--contamination", "many"], ["--contamination", "many"]),
    ("good", ["--contamination", "-0.1"], ["--contamination", "-0.1"]),
    ("good", ["--epochs", "0"], ["--epochs", "0"]),
    ("good", ["--random-state", "-1"], ["--random-state", "-1"]),
    ("good", ["--random-state", "4294967296"], ["--random-state", "4294967296"]),
    ("good", ["--detector", "forest"], ["--detector", "forest", "ensemble"]),
    ("good", ["--detector", "ensemble"], ["--epochs", "--detector rca or realnvp"]),
    ("good", ["--missing", "median"], ["--missing", "median"]),
    ("good", ["--out", "nowhere/s.csv"], ["--out", "nowhere"]),
    ("good", ["--report", "."], ["--report", "regular file"]),
    ("good", ["--save", "scores.csv"], ["--save", "scores.csv"]),
    ("good", ["--out", "../good.csv"], ["--out", "good.csv"]),
    ("one_row", ["--missing", "mean"], ["one row"]),
    ("two_rows", ["--contamination", "0.5"], ["two_rows.csv", "contamination=0.5"]),
]


@pytest.fixture
def write(tmp_path):
    def write_table(name):
        path = tmp_path / f"{name}.csv"
        if name in FILES:
            path.write_bytes(FILES[name])
        elif name in TEXTS:
            path.write_text("\n".join(TEXTS[name]) + "\n", encoding="utf-8")
        elif name == "two_rows":
            path.write_text("a\n1\n2\n", encoding="utf-8")
        return tmp_path if name == "." else path

    return write_table


def assert_refused(done, words):
    assert done.status == 2
    assert done.err.count("\n") == 1 and done.err.startswith("skrobust")
    assert all(word in done.err for word in words), done.err
    assert done.files == []


@pytest.mark.parametrize(
    "name, options, words", CASES, ids=[f"{n}{''.join(o)}" for n, o, _ in CASES]
)
def test_detect_refuses(run, write, name, options, words):
    assert_refused(run("detect", write(name), "--detector", "rca", *options, "--epochs", 1), words)


def test_detect_needs_a_file(run):
    assert_refused(run("detect"), ["FILE"])


def test_parquet_with_cells_that_are_lists(run, tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "table.parquet"
    pd.DataFrame({"x": [1, 2], "tags": [["a"], ["b", "c"]]}).to_parquet(path)
    assert_refused(run("detect", path), ["'tags'"])


def test_a_file_that_cannot_be_written_at_the_end(run, write, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    path = write("absent")
    path.write_text("\n".join(LINES), encoding="utf-8")
    done = run("detect", path, "--detector", "rca", "--epochs", 1)
    assert done.status == 2 and done.files == []
    assert "No space left" in done.err.splitlines()[-1]


def edit(table, change):
    table = table.copy()
    if change == "lacking":
        table = table.drop(columns=["heat", "town"])
    elif change == "extra":
        table["colour"] = "red"
    elif change == "text":
        table["heat"] = table["heat"].astype(object)
        table.loc[4, "heat"] = "warm"
    elif change == "no date":
        table.loc[4, "since"] = "soon"
    elif change == "missing":
        table["open"] = table["open"].astype(object)
        table.loc[4, "open"] = None
    elif change == "infinite":
        table.loc[4, "flow"] = np.inf
    elif change == "label":
        table.loc[4, "fault"] = 2
    return table


@pytest.mark.parametrize(
    "change, words",
    [
        ("lacking", ["lacks", "'heat', 'town'"]),
        ("extra", ["'colour'"]),
        ("text", ["'heat'", "row 5", "'warm'", "no number"]),
        ("no date", ["'since'", "row 5", "'soon'", "no date"]),
        ("missing", ["'open'", "row 5", "without --missing mean"]),
        ("infinite", ["'flow'", "row 5", "inf"]),
        ("label", ["'fault'", "row 5", "'2'"]),
    ],
)
def test_score_refuses_a_table_that_does_not_match(run, trained, table, tmp_path, change, words):
    path = tmp_path / "new.csv"
    edit(table, change).to_csv(path, index=False)
    assert_refused(run("score", trained.model, path), words)


def test_score_refuses_files_that_are_not_there(run, trained):
    assert_refused(run("score", trained.model, "no.csv"), ["no.csv", "No such file"])
    assert_refused(run("score", "no.model", trained.table), ["no.model", "No such file"])


def test_score_does_not_replace_its_inputs(run, trained):
    done = run("score", trained.model, trained.table, "--out", trained.model)
    assert_refused(done, ["--out", "plant.model"])
