"""Files that cannot be written are noticed before training."""

import os
import sys
from pathlib import Path

import pytest

from skrobust.cli._console import InputError
from skrobust.cli._output import check_outputs, write_all

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")
NOT_ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do all"
)


def refuse(path, inputs=()):
    with pytest.raises(InputError) as caught:
        check_outputs({"--out": None, "--save": path}, inputs)
    assert str(caught.value).startswith(f"--save {path}") and "\n" not in str(caught.value)
    return str(caught.value)


@POSIX
def test_names_that_are_too_long(tmp_path):
    assert "too long" in refuse(tmp_path / ("a" * 256))
    assert "too long" in refuse(tmp_path / ("a" * 256) / "x.csv")
    assert "too long" in refuse(tmp_path / "/".join(["a" * 200] * 30))


@POSIX
def test_a_name_of_the_greatest_length(tmp_path):
    path = tmp_path / ("é" * 127 + "x")  # 255 bytes
    check_outputs({"--out": path}, [])
    write_all({path: b"1"})
    assert path.read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [path]


@POSIX
def test_links_that_lead_nowhere(tmp_path):
    loop, folder = tmp_path / "loop", tmp_path / "dir"
    loop.symlink_to(loop)
    folder.symlink_to(folder)
    assert "symbolic links" in refuse(loop)
    refuse(folder / "x.csv")
    check_outputs({"--out": tmp_path / "x.csv"}, [loop])  # reading it says what is wrong


def test_a_table_that_is_a_loop_of_links(run, tmp_path):
    loop = tmp_path / "loop"
    try:
        loop.symlink_to(loop)
    except OSError:
        pytest.skip("no links here")
    done = run("detect", loop)
    assert done.status == 2 and done.err.count("\n") == 1 and f"cannot read {loop}" in done.err


def test_a_file_as_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert "no folder" in refuse(tmp_path / "file" / "x.csv")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc")
def test_a_folder_that_takes_no_files():
    refuse(Path("/proc/x.csv"))


@POSIX
@NOT_ROOT
def test_permissions(tmp_path):
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir(mode=0o500)
    file.write_bytes(b"kept")
    file.chmod(0o400)
    assert "ermission denied" in refuse(folder / "x.csv")
    assert "write-protected" in refuse(file)
    folder.chmod(0)
    assert "ermission denied" in refuse(folder / "x.csv")


def test_checking_leaves_nothing_and_changes_nothing(tmp_path):
    path = tmp_path / "old.csv"
    path.write_bytes(b"kept")
    check_outputs({"--out": path, "--save": tmp_path / "new"}, [])
    assert path.read_bytes() == b"kept" and list(tmp_path.iterdir()) == [path]


def test_an_error_in_the_end_names_the_file(tmp_path):
    folder = tmp_path / "folder"
    with pytest.raises(InputError, match=r"cannot write .*scores\.csv"):
        write_all({folder / "scores.csv": b""})
