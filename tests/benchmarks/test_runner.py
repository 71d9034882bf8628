"""A benchmark can be killed at any moment and goes on where it stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import _results
from benchmarks._results import Cell, ResultFile
from benchmarks._runner import measure_missing

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys, time, zlib
from benchmarks import _results
from benchmarks._results import Cell, ResultFile
from benchmarks._runner import measure_missing

def measure(cell):
    time.sleep(0.02)
    return {"auc": zlib.crc32(repr(cell).encode()) / 2**32}

cells = [Cell(f"set {i}", m, "s", seed) for i in range(5) for m in "ab" for seed in range(6)]
measure_missing(cells, measure, ResultFile(sys.argv[1], ["auc"]))
"""
CELLS = [Cell("x", method, "s", seed) for method in ("a", "b") for seed in range(3)]


def measure(cell):
    if cell.method == "b" and cell.seed == 1:
        raise RuntimeError("no luck")
    return {"auc": cell.seed / 10}


def comparable(path):
    frame = pd.read_csv(path).drop(columns=["seconds"])
    return frame.sort_values(list(Cell._fields)).reset_index(drop=True)


def start(path):
    command = [sys.executable, "-c", SCRIPT, str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def test_killed_and_restarted_equals_uninterrupted(tmp_path):
    whole, pieces = tmp_path / "whole.csv", tmp_path / "pieces.csv"
    assert start(whole).wait(timeout=120) == 0
    n_kills = 0
    for wanted in (3, 31):  # lines written when the run is killed
        process = start(pieces)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if pieces.exists() and pieces.read_bytes().count(b"\n") > wanted:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        n_kills += process.wait() == -signal.SIGKILL
        with pieces.open("a") as file:
            file.write("set 4,b,s")  # what a kill in the middle of a write leaves
    assert n_kills == 2
    assert len(pieces.read_text().splitlines()) < 61
    assert start(pieces).wait(timeout=120) == 0
    pd.testing.assert_frame_equal(comparable(whole), comparable(pieces))
    assert len(comparable(pieces)) == 60


def test_measured_cells_are_skipped_and_failures_reported(tmp_path):
    results = ResultFile(tmp_path / "r.csv", ["auc"])
    seen = []
    failures = measure_missing(CELLS, lambda c: seen.append(c) or measure(c), results)
    assert failures == ["x b s 1: RuntimeError: no luck"]
    assert len(results.measured()) == 5
    measure_missing(CELLS, lambda c: seen.append(c) or measure(c), results)
    assert seen[6:] == [Cell("x", "b", "s", 1)]


def test_two_processes_give_the_same(tmp_path):
    one, two = (ResultFile(tmp_path / f"{n}.csv", ["auc"]) for n in (1, 2))
    measure_missing(CELLS, measure, one)
    failures = measure_missing(CELLS, measure, two, jobs=2)
    assert len(failures) == 1
    pd.testing.assert_frame_equal(comparable(one.path), comparable(two.path))


def test_a_line_says_what_produced_it(tmp_path):
    results = ResultFile(tmp_path / "r.csv", ["auc"])
    results.append(CELLS[0], {"auc": 0.5}, 1.234)
    row = results.frame().iloc[0]
    assert row["seconds"] == 1.23
    assert "torch" in row["versions"]
    assert "python" in row["versions"]


def test_a_file_of_another_benchmark_is_refused(tmp_path):
    ResultFile(tmp_path / "r.csv", ["auc"]).append(CELLS[0], {"auc": 0.5}, 1.0)
    with pytest.raises(ValueError, match="begins with"):
        ResultFile(tmp_path / "r.csv", ["accuracy"])


def test_a_file_without_a_whole_line_starts_anew(tmp_path):
    (tmp_path / "r.csv").write_text("set,meth")
    results = ResultFile(tmp_path / "r.csv", ["auc"])
    with results.writing():
        results.append(CELLS[0], {"auc": 0.5}, 1.0)
    assert len(results.frame()) == 1


def test_reading_leaves_the_file_as_it_is(tmp_path):
    results = ResultFile(tmp_path / "r.csv", ["auc"])
    results.append(CELLS[0], {"auc": 0.5}, 1.0)
    with results.path.open("a") as file:
        file.write("x,a,s,1")
    before = results.path.read_bytes()
    assert len(ResultFile(results.path, ["auc"]).frame()) == 1
    assert results.path.read_bytes() == before
    measure_missing(CELLS[:2], measure, results)
    assert len(results.frame()) == 2


def test_a_file_that_another_run_writes_is_left_alone(tmp_path):
    process = start(tmp_path / "r.csv")
    while process.poll() is None and not (tmp_path / "r.csv").exists():
        time.sleep(0.005)
    with pytest.raises(BlockingIOError):
        measure_missing(CELLS, measure, ResultFile(tmp_path / "r.csv", ["auc"]))
    assert process.wait(timeout=60) == 0
    assert len(pd.read_csv(tmp_path / "r.csv")) == 60


def test_cells_that_are_there_twice_count_once(tmp_path):
    results = ResultFile(tmp_path / "r.csv", ["auc"])
    for _ in range(2):
        results.append(CELLS[0], {"auc": 0.5}, 1.0)
    assert len(results.frame()) == 1


def test_commit_is_marked_where_code_differs(tmp_path, monkeypatch):
    package, benchmarks = tmp_path / "skrobust", tmp_path / "benchmarks"
    package.mkdir()
    (benchmarks / "thesis" / "results").mkdir(parents=True)
    (benchmarks / "_results.py").touch()
    (package / "table.csv").touch()
    git("init", tmp_path)
    monkeypatch.setattr(_results, "__file__", str(benchmarks / "_results.py"))
    assert _results._commit() == ""  # not in the checkout
    git("add", tmp_path)
    git("commit", tmp_path)
    clean = _results._commit()
    assert len(clean) >= 7
    for name in ("r.csv", "r.csv.lock", "r.png"):
        (benchmarks / "thesis" / "results" / name).touch()
    (tmp_path / "notes.txt").touch()
    assert _results._commit() == clean
    for changed in (package / "other.py", benchmarks / "thesis" / "other.py"):
        changed.touch()
        assert _results._commit() == f"{clean}-dirty"
        changed.unlink()
    (package / "table.csv").write_text("data that the package brings")
    assert _results._commit() == f"{clean}-dirty"


def git(command, folder):
    arguments = {"init": [], "add": ["-A"], "commit": ["-m", "first"]}[command]
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = ["git", "-C", str(folder), *identity, command, *arguments]
    subprocess.run(done, check=True, capture_output=True)
