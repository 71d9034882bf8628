"""Reading: which cells are missing, and ids as they were written."""

import numpy as np
import pytest

from skrobust.tables import read_table
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
