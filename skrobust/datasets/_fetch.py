"""Cache and download, the same for every set: from the first mirror that works to a checked file.

A set is a file of arrays below ``data_home``. Whatever interrupts a download leaves no file: all is
done in a temporary folder beside the target, and the finished file is renamed into its place.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skrobust.datasets._registry import DIGESTS, find_damage

__all__ = ["DataNotSuppliedError", "SourceSet", "get_data_home", "load_set", "read_cached"]

Arrays = dict[str, np.ndarray]

TIMEOUT = 30.0  # seconds without a byte
LONGEST = 3600.0  # seconds for a file
ATTEMPTS = 3
BLOCK = 1 << 18
# Files as they are, not packed once more for the way.
HEADERS = {"User-Agent": "skrobust", "Accept-Encoding": "identity"}


class DataNotSuppliedError(OSError):
    """A data set is neither in the cache nor to be had from its public sources.

    Every ``fetch_*`` function raises it, so that a benchmark can go on without the set.
    """


class DamagedDataError(OSError):
    """A file is there but does not hold the data set."""


class SourceSet(NamedTuple):
    """Where a set comes from, and where below ``data_home`` it is kept.

    Each mirror has all files that the set is made of, in the order in which ``convert`` takes them.
    """

    title: str
    file: str
    mirrors: Sequence[Sequence[str]]
    convert: Callable[[list[Path]], Arrays]


def get_data_home(data_home: str | os.PathLike | None = None) -> Path:
    """Return the folder in which data sets are kept; it need not exist.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. None means the environment variable ``SKROBUST_DATA``, or ``~/skrobust_data``
        where that is not set.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    if data_home is None:
        data_home = os.environ.get("SKROBUST_DATA") or "~/skrobust_data"
    return Path(data_home).expanduser()


def load_set(
    source: SourceSet, data_home: str | os.PathLike | None, download_if_missing: bool
) -> Arrays:
    """Read the set's file, downloading it first where it is missing; never replace one."""
    path = get_data_home(data_home) / source.file
    if path.exists():
        return read_cached(path, source.file)
    if not download_if_missing:
        raise _not_supplied(source, path, "download_if_missing is False")
    return _download(source, path)


def read_cached(path: Path, name: str) -> Arrays:
    """Read a file of arrays and compare it with the checksums known for ``name``."""
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as content:
            arrays = dict(content)
    except OSError:  # of the disk, or permission: says nothing about the content
        raise
    except Exception as error:  # whatever the reader says of bytes that are no arrays
        raise _damaged_file(path, [f"it cannot be read ({error})"]) from error
    if damage := list(find_damage(arrays, DIGESTS[name])):
        raise _damaged_file(path, damage)
    return arrays


def _damaged_file(path: Path, reasons: list[str]) -> DamagedDataError:
    return DamagedDataError(
        f"{path} is damaged: {'; '.join(reasons)}. Delete the file and fetch the set again, or put "
        "a whole copy in its place."
    )


def _download(source: SourceSet, path: Path) -> Arrays:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        workplace = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-")
    except OSError as error:
        raise _not_supplied(source, path, f"{path.parent} cannot be written ({error})") from error
    failures = []
    with workplace as folder:
        for i, urls in enumerate(source.mirrors):
            try:
                values: Any = _obtain(source, urls, Path(folder, str(i)))
            except OSError as error:
                failures.append(error)
            else:
                np.savez_compressed(whole := Path(folder, "arrays.npz"), **values)
                whole.replace(path)
                return values
    if any(isinstance(error, DamagedDataError) for error in failures):
        raise DamagedDataError(_explain(source, path, *failures)) from failures[-1]
    raise _not_supplied(source, path, *failures) from failures[-1]


def _obtain(source: SourceSet, urls: Sequence[str], folder: Path) -> Arrays:
    paths = [_retrieve(url, folder, source.title) for url in urls]
    try:
        arrays = source.convert(paths)
    except Exception as error:  # whatever a parser says of bytes that are not the set
        raise DamagedDataError(f"{', '.join(urls)} cannot be read ({error!r})") from error
    if damage := list(find_damage(arrays, DIGESTS[source.file])):
        raise DamagedDataError(f"{', '.join(urls)} is not the set expected: {'; '.join(damage)}")
    return arrays


def _retrieve(url: str, folder: Path, title: str) -> Path:
    """Have pooch bring one file: in several attempts, compared with its digest if one is known."""
    import pooch  # imports tqdm.auto, which prints a warning in notebooks without widgets

    pooch.get_logger().setLevel("WARNING")  # the bar says the same
    base, _, name = url.rpartition("/")
    registry = {name: DIGESTS.get(name, {}).get("*")}
    files = pooch.Pooch(folder, f"{base}/", registry, retry_if_failed=ATTEMPTS - 1)
    try:
        return Path(files.fetch(name, downloader=partial(_transfer, title)))
    except ValueError as error:
        raise DamagedDataError(f"{url}: {error}") from error
    except OSError as error:
        # what requests wraps in "Max retries exceeded"
        cause = getattr(error.args[0], "reason", error) if error.args else type(error).__name__
        raise OSError(f"{url}: {cause}") from error


def _transfer(title: str, url: str, file: str, files: Any) -> None:
    import pooch
    import requests
    from tqdm.auto import tqdm

    deadline = time.monotonic() + LONGEST

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            if time.monotonic() > deadline:
                raise OSError(f"{url} sends so slowly that {LONGEST:g} seconds are over")
            return super().update(n)

    with Bar(total=1, desc=title, unit="B", unit_scale=True) as bar:  # pooch sets the total
        load = pooch.HTTPDownloader(bar, BLOCK, timeout=TIMEOUT, headers=HEADERS)
        try:
            load(url, file, files)
        except requests.HTTPError as error:
            answer: Any = error.response
            # pooch tries again after errors of requests: not where the server knows no such file
            kind = OSError if answer.status_code < 500 else requests.RequestException
            raise kind(f"HTTP {answer.status_code} {answer.reason}") from error


def _not_supplied(source: SourceSet, path: Path, *reasons: object) -> DataNotSuppliedError:
    return DataNotSuppliedError(f"Data not supplied: {_explain(source, path, *reasons)}")


def _explain(source: SourceSet, path: Path, *reasons: object) -> str:
    addresses = "\n".join(f"  {url}" for urls in source.mirrors for url in urls)
    return (
        f"{source.title} is not at {path} and was not downloaded.\n"
        + "".join(f"Reason: {reason}\n" for reason in reasons)
        + f"Its public sources are\n{addresses}\n"
        f"To place it by hand, fetch it on a machine that reaches them and copy {source.file} from "
        f"the data_home there to {path}; or pass data_home=, or set SKROBUST_DATA to, a folder "
        f"that holds {source.file}."
    )
