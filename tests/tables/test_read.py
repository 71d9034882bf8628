"""Reading: which cells are missing, and ids as they were written."""

import numpy as np
import pytest

from skrobust.tables import TableEncoder, TableError, read_table
from skrobust.tables._read import MISSING

IDS = ["007", "NA", "null", "None", "nan", "1e3", "0x10", "-0", "True", "2020-01-01"]


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("header", ["ref,x", " ref ,x", '"ref  ",x', "\ufeffref\t,x"])
def test_ids_are_copied_as_they_are(tmp_path, header):
    path = write(tmp_path / "t.csv", header, *(f"{name},{i}" for i, name in enumerate(IDS)))
    assert list(read_table(path, id_column="ref").frame["ref"]) == IDS


@pytest.mark.parametrize("text_columns", [[], ["a"]])
def test_words_for_missing_cells(tmp_path, text_columns):
    path = write(tmp_path / "t.csv", "a,b", *(f"{word},1" for word in MISSING), "x,2")
    frame = read_table(path, text_columns=text_columns).frame
    assert frame["a"].isna().sum() == len(MISSING)
    only_empty = read_table(path, id_column="a").frame
    assert only_empty["a"].isna().sum() == 1


def test_numbers_with_missing_cells_are_numbers(tmp_path):
    path = write(tmp_path / "t.csv", "a,b,c", ",NaN,2020-01-01", "1,NA,", "2.5,null,2021-01-01")
    frame = read_table(path).frame
    assert frame["a"].dtype == np.float64 and frame["b"].isna().all()
    assert frame["c"].isna().tolist() == [False, True, False]


def test_a_path_as_text_and_what_is_noticed(tmp_path):
    path = write(tmp_path / "t.csv", ",x;y", "1,2;3")
    table = read_table(str(path))
    assert list(table.frame) == ["x;y"] and table.notes == ["1 column without a name: not used"]


@pytest.mark.parametrize(
    "lines, words",
    [([], "is empty"), (["a,b"], "a header but no rows"), (["a,b", "1"], "line 2: 1 fields")],
)
def test_what_is_no_table(tmp_path, lines, words):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(TableError, match=words):
        read_table(path)
    with pytest.raises(TableError, match="cannot read"):
        read_table(tmp_path / "absent.csv")


# What ordinary spreadsheets hold: money in several forms, percent, dates in several forms.
SPREADSHEET = "a;b;c;d;e;f;g;h;i\n" + "".join(
    f"$1,2{i:02d}.50;{i},5 €;EUR {i},10;{i} %;0{i % 9 + 1}.03.2025;{i % 9 + 1}/3/2025;{i},5;"
    f"2025/03/0{i % 9 + 1};2025-03-01T1{i % 9}:00\n"
    for i in range(60)
)


def test_a_spreadsheet_keeps_its_cells(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(SPREADSHEET, encoding="utf-8")
    frame = read_table(path).frame
    assert list(frame) == list("abcdefghi") and len(frame) == 60
    assert frame.iloc[3, :4].tolist() == ["$1,203.50", "3,5 €", "EUR 3,10", "3 %"]
    encoder = TableEncoder().fit(frame)
    kinds = dict(zip(frame, (column.kind for column in encoder.columns_), strict=True))
    assert kinds["i"] == "date"
