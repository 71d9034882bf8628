"""Results reach their files whatever becomes of the two streams."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from skrobust.cli._console import forgiving_streams, say

ROOT = Path(__file__).parents[2]
COMMAND = f"{sys.executable} -m skrobust detect table.csv --id town --detector rca --epochs 1"
SHELL = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


@pytest.fixture
def shell(tmp_path, table):
    """Run a line of shell in a folder with a table; returns status, stdout and stderr."""
    table["ref"], table["town"] = 1.5, "東京"
    table.to_csv(tmp_path / "table.csv", index=False)

    def run_line(line, **environment):
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    yield run_line
    assert list(pd.read_csv(tmp_path / "scores.csv")["town"]) == ["東京"] * 300
    assert (tmp_path / "report.html").stat().st_size > 10_000


@SHELL
@pytest.mark.parametrize(
    "line",
    [
        f"{COMMAND} | head -1 >first; exit ${{PIPESTATUS[0]}}",
        f"{COMMAND} 2>&1 | head -c 1 >first; exit ${{PIPESTATUS[0]}}",
        f"{COMMAND} >&-",
    ],
    ids=["reader leaves", "reader of both leaves", "no stdout"],
)
def test_nobody_reads(shell, line):
    done = shell(line)
    assert done.returncode == 0
    assert "Error" not in done.stderr and "Exception" not in done.stderr


@SHELL
def test_ascii_terminal(shell):
    done = shell(COMMAND, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "Error" not in done.stderr
    assert r"(\u6771\u4eac)" in done.stdout


def test_names_that_are_no_text(run, trained, tmp_path):
    path = tmp_path / "plant\udcff.csv"
    try:
        path.write_bytes(trained.table.read_bytes())
    except (OSError, UnicodeError):
        pytest.skip("the file system has no such names")
    done = run("detect", path, "--detector", "rca", "--epochs", 1)
    assert done.status == 0 and r"plant\udcff.csv: 300 rows" in done.out
    assert r"Abnormal rows of plant\udcff.csv" in Path("report.html").read_text(encoding="utf-8")


def test_no_streams_at_all(run, trained, monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    done = run("detect", trained.table, "--detector", "rca", "--epochs", 1)
    assert done.status == 0 and len(done.files) == 2


def test_streams_that_are_closed_or_do_not_know_their_encoding(monkeypatch):
    closed, plain = io.StringIO(), io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stdout", closed)
    monkeypatch.setattr("sys.stderr", plain)
    with forgiving_streams():
        say("lost")
        sys.stderr.write("東京")
    assert sys.stdout is closed and plain.getvalue() == "東京"
