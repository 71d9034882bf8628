"""Reading: which cells are missing, and ids as they were written."""

import csv
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skrobust.tables._read import MISSING

IDS = ["007", "NA", "null", "None", "nan", "1e3", "0x10", "-0", "True", "2020-01-01"]


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("command", ["detect", "score"])
def test_ids_reach_the_scores_unchanged(run, trained, table, tmp_path, command):
    table = table.iloc[: len(IDS)].assign(ref=IDS, fault=[0, 1] * 5)
    table.loc[9, "ref"] = None
    path = tmp_path / "t.csv"
    table.rename(columns={"ref": " ref "}).to_csv(path, index=False)
    options = {
        "detect": [path, "--id", "ref", "--detector", "rca", "--epochs", 1],
        "score": [trained.model, path],
    }
    done = run(command, *options[command])
    assert done.status == 0
    lines = Path("scores.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["ref", *IDS[:9], ""]


def test_none_is_a_level_like_others(run, table, tmp_path):
    table["town"] = np.where(table["town"] == "Lima", "None", "none")
    path = tmp_path / "t.csv"
    table.to_csv(path, index=False)
    done = run(
        "detect",
        path,
        "--id",
        "ref",
        "--label",
        "fault",
        "--detector",
        "rca",
        "--epochs",
        5,
        "--save",
        "m",
    )
    assert done.status == 0 and "2 categorical" in done.out
    scores = pd.read_csv("scores.csv")["score"]
    assert run("score", "m", path).status == 0
    np.testing.assert_allclose(pd.read_csv("scores.csv")["score"], scores, rtol=1e-6)


def test_words_for_missing_cells_are_in_the_help(run):
    words = re.split(r"[\s,;]+", run("detect", "--help").out)
    assert set(MISSING) - {""} <= set(words)


def test_long_cells(run, table, tmp_path):
    limit = csv.field_size_limit()
    path = tmp_path / "t.csv"
    table["ref"] = "x" * (limit + 1)
    table.to_csv(path, index=False)
    done = run("detect", path, "--id", "ref", "--detector", "rca", "--epochs", 1)
    assert done.status == 0 and len(pd.read_csv("scores.csv")["ref"][299]) == limit + 1
    assert csv.field_size_limit() == limit


def test_long_lines_with_an_open_quote(run, table, tmp_path):
    path = tmp_path / "t.csv"
    pd.concat([table] * 20).to_csv(path, index=False)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:9], '"', *lines[9:]]), encoding="utf-8")
    done = run("detect", path)
    assert done.status == 2 and f"{path}, line 10:" in done.err and "quotes" in done.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("command", ["detect", "score", "model"])
def test_pipes_are_refused(run, trained, tmp_path, command):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    argv = {"detect": [], "score": [trained.model], "model": []}[command]
    last = [trained.table] if command == "model" else []
    done = run("detect" if command == "detect" else "score", *argv, path, *last)
    assert done.status == 2 and done.files == []
    assert done.err.endswith(f"{path} is not a regular file (see --help)\n")
