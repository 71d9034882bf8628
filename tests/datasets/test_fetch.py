"""Cache and download against a server that breaks off, lies, or is not there."""

import io
import sys

import numpy as np
import pytest

from skrobust.datasets import DataNotSuppliedError, _fetch, fetch_odds, get_data_home
from skrobust.datasets._fetch import SourceSet, load_set
from skrobust.datasets._registry import find_damage

FILE = "odds/glass.npz"


def read_source(paths):
    with np.load(paths[0]) as content:
        return dict(content)


def packed(arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


@pytest.fixture
def source(server, expect, table):
    """A set with two mirrors, the first of which has nothing."""
    expect(FILE, table)
    server.files["glass.npz"] = packed(table)
    urls = [[f"{server.url}/nothing"], [f"{server.url}/good/glass.npz"]]
    return SourceSet("glass", FILE, urls, read_source)


def files_below(folder):
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def assert_no_trace(folder):
    assert files_below(folder) == []
    assert not list(folder.rglob(".*"))


def test_download_then_cache(source, server, tmp_path, table, capsys):
    arrays = load_set(source, tmp_path, True)
    assert not list(find_damage(arrays, _fetch.DIGESTS[FILE]))
    assert files_below(tmp_path) == [FILE]
    assert "glass" in capsys.readouterr().err
    n_requests = len(server.requests)
    for download in (True, False):
        again = load_set(source, tmp_path, download)
        np.testing.assert_array_equal(again["X"], table["X"])
        assert again["X"].dtype == np.float32
    assert len(server.requests) == n_requests
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""


def test_where_data_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("SKROBUST_DATA", str(tmp_path / "there"))
    assert get_data_home() == tmp_path / "there"
    assert get_data_home(tmp_path) == tmp_path
    assert get_data_home("~/x") == tmp_path / "home" / "x"
    monkeypatch.delenv("SKROBUST_DATA")
    assert get_data_home() == tmp_path / "home" / "skrobust_data"
    assert not get_data_home().exists()


def test_environment_variable_is_used(source, monkeypatch, tmp_path):
    monkeypatch.setenv("SKROBUST_DATA", str(tmp_path / "there"))
    load_set(source, None, True)
    assert files_below(tmp_path) == [f"there/{FILE}"]


def test_not_to_be_downloaded(source, server, tmp_path):
    with pytest.raises(DataNotSuppliedError, match="download_if_missing is False") as caught:
        load_set(source, tmp_path / "home", False)
    assert server.requests == []
    assert not (tmp_path / "home").exists()
    for text in ("Data not supplied", "glass", source.mirrors[1][0], FILE, "SKROBUST_DATA"):
        assert text in str(caught.value)


@pytest.mark.parametrize("fault", ["broken", "length", "chunks", 500, 503])
def test_a_fault_that_passes_is_overcome(source, server, tmp_path, fault):
    server.faults["good/glass.npz"] = [fault] * (_fetch.ATTEMPTS - 1)
    load_set(source, tmp_path, True)
    assert server.requests.count("good/glass.npz") == _fetch.ATTEMPTS
    assert files_below(tmp_path) == [FILE]


@pytest.mark.parametrize("fault", ["broken", "length", "chunks", 404, 500])
def test_a_fault_that_stays_leaves_nothing(source, server, tmp_path, fault):
    server.faults["good/glass.npz"] = [fault] * _fetch.ATTEMPTS
    with pytest.raises(DataNotSuppliedError, match=r"good/glass\.npz: ") as caught:
        load_set(source, tmp_path, True)
    assert "/nothing: HTTP 404" in str(caught.value)
    assert server.requests.count("good/glass.npz") == (1 if fault == 404 else _fetch.ATTEMPTS)
    assert_no_trace(tmp_path)


def test_a_silent_server_is_given_up(source, server, tmp_path, monkeypatch):
    monkeypatch.setattr(_fetch, "TIMEOUT", 0.05)
    monkeypatch.setattr(_fetch, "ATTEMPTS", 1)
    server.faults["good/glass.npz"] = ["slow"]
    with pytest.raises(DataNotSuppliedError, match="timed out"):
        load_set(source, tmp_path, True)
    assert_no_trace(tmp_path)


def test_a_dripping_server_is_given_up(source, server, tmp_path, monkeypatch):
    monkeypatch.setattr(_fetch, "LONGEST", -1.0)
    monkeypatch.setattr(_fetch, "ATTEMPTS", 1)
    with pytest.raises(DataNotSuppliedError, match="sends so slowly that -1 seconds are over"):
        load_set(source, tmp_path, True)
    assert_no_trace(tmp_path)


def test_a_length_that_is_no_number(source, server, tmp_path):
    server.faults["good/glass.npz"] = ["nonsense"] * _fetch.ATTEMPTS
    with pytest.raises(OSError, match=r"good/glass\.npz: .*abc"):
        load_set(source, tmp_path, True)
    assert_no_trace(tmp_path)


def test_nobody_listens(expect, table, tmp_path, server):
    expect(FILE, table)
    server.shutdown()
    server.server_close()
    gone = SourceSet("glass", FILE, [[f"{server.url}/glass.npz"]], read_source)
    with pytest.raises(DataNotSuppliedError, match="refused") as caught:
        load_set(gone, tmp_path, True)
    assert "Max retries" not in str(caught.value)  # which says nothing
    assert_no_trace(tmp_path)


def test_length_not_announced(source, server, tmp_path):
    server.faults["good/glass.npz"] = ["no length"]
    load_set(source, tmp_path, True)
    assert files_below(tmp_path) == [FILE]


@pytest.mark.parametrize("content", [b"", b"<html>Not here</html>", b"PK\x03\x04 no more"])
def test_garbage_from_a_server(source, server, tmp_path, content):
    server.files["glass.npz"] = content
    with pytest.raises(OSError, match="cannot be read") as caught:
        load_set(source, tmp_path, True)
    assert not isinstance(caught.value, DataNotSuppliedError)
    assert "Data not supplied" not in str(caught.value)
    assert_no_trace(tmp_path)


def test_other_arrays_from_a_server(source, server, tmp_path, table):
    server.files["glass.npz"] = packed({**table, "X": table["X"] + 1})
    with pytest.raises(OSError, match=r"is not the set expected: array 'X'"):
        load_set(source, tmp_path, True)
    assert_no_trace(tmp_path)


def test_the_next_mirror_makes_up_for_a_bad_one(source, server, tmp_path, table):
    server.files["nothing"] = packed({**table, "X": table["X"] + 1})
    np.testing.assert_array_equal(load_set(source, tmp_path, True)["X"], table["X"])


def test_a_bad_file_is_not_taken_for_that_of_the_next_mirror(source, server, tmp_path, table):
    server.files["bad/glass.npz"] = packed({**table, "X": table["X"] + 1})
    urls = [[f"{server.url}/bad/glass.npz"], *source.mirrors[1:]]
    np.testing.assert_array_equal(
        load_set(source._replace(mirrors=urls), tmp_path, True)["X"], table["X"]
    )


def test_files_are_asked_for_as_they_are(source, server, tmp_path):
    load_set(source, tmp_path, True)  # .gz files must not be unpacked on the way
    assert server.encodings == {"identity"}


def test_interrupt_leaves_nothing(source, tmp_path):
    def interrupted(paths):
        raise KeyboardInterrupt

    source = SourceSet("glass", FILE, source.mirrors[1:], interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_set(source, tmp_path, True)
    assert_no_trace(tmp_path)


def test_failure_to_save_leaves_nothing(source, tmp_path, monkeypatch):
    def disk_is_full(path, **arrays):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", disk_is_full)
    with pytest.raises(OSError, match="No space left"):
        load_set(source, tmp_path, True)
    assert_no_trace(tmp_path)


@pytest.mark.parametrize("download", [True, False])
def test_damaged_cache_is_named_and_kept(source, server, tmp_path, table, download):
    path = tmp_path / FILE
    path.parent.mkdir()
    content = packed(table)
    for damaged in (b"", content[:-40], b"text", packed({"X": table["X"]})):
        path.write_bytes(damaged)
        with pytest.raises(OSError, match=r"is damaged.*Delete the file") as caught:
            load_set(source, tmp_path, download)
        assert str(path) in str(caught.value)
        assert not isinstance(caught.value, DataNotSuppliedError)
        assert path.read_bytes() == damaged
    assert server.requests == []


def test_no_flipped_byte_goes_unnoticed(source, tmp_path, table):
    path = tmp_path / FILE
    path.parent.mkdir()
    content = packed({"X": table["X"][:2], "y": table["y"]})
    _fetch.DIGESTS[FILE].pop("X")
    n_noticed = 0
    for position in range(0, len(content), 3):
        flipped = bytearray(content)
        flipped[position] ^= 0xFF
        path.write_bytes(flipped)
        try:
            arrays = load_set(source, tmp_path, False)
        except OSError as error:
            n_noticed += "is damaged" in str(error)
        else:  # time stamps and the like
            np.testing.assert_array_equal(arrays["y"], table["y"])
    assert n_noticed > len(content) / 3 / 2


def test_pickles_are_not_opened(source, tmp_path):
    path = tmp_path / FILE
    path.parent.mkdir()
    np.savez(path, X=np.array([{}], dtype=object), y=np.zeros(1))
    with pytest.raises(OSError, match="allow_pickle"):
        load_set(source, tmp_path, False)


def test_folder_that_cannot_be_written(source, server, tmp_path):
    (tmp_path / "odds").write_text("a file where a folder should be")
    with pytest.raises(DataNotSuppliedError, match="cannot be written"):
        load_set(source, tmp_path, True)
    assert server.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders")
def test_read_only_folder_is_enough(source, tmp_path, table):
    path = tmp_path / FILE
    path.parent.mkdir()
    path.write_bytes(packed(table))
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        np.testing.assert_array_equal(load_set(source, tmp_path, True)["X"], table["X"])
    finally:
        path.parent.chmod(0o755)


def test_error_of_a_fetcher_says_how_to_go_on(tmp_path):
    with pytest.raises(DataNotSuppliedError, match=r"ODDS glass(.|\n)*githubusercontent"):
        fetch_odds("glass", data_home=tmp_path, download_if_missing=False)
