"""Cache and download, the same for every set: from the first mirror that works to a checked file.

A set is a file of arrays below ``data_home``. Whatever interrupts a download leaves no file: all is
done in a temporary folder beside the target, and the finished file is renamed into its place.
"""

from __future__ import annotations

import http.client
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skrobust.datasets._checksums import find_damage
from skrobust.datasets._digests import DIGESTS

__all__ = ["DataNotSuppliedError", "SourceSet", "get_data_home", "load_set", "read_cached"]

Arrays = dict[str, np.ndarray]

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 3
PAUSE = 1.0  # seconds before the second attempt, doubled for each further one
BLOCK = 1 << 18


class DataNotSuppliedError(OSError):
    """A data set is neither in the cache nor to be had from its public sources.

    Every ``fetch_*`` function raises it, so that a benchmark can go on without the set.
    """


class DamagedDataError(OSError):
    """A file is there but does not hold the data set."""


@dataclass(frozen=True)
class SourceSet:
    """Where a set comes from and where it is kept.

    Attributes
    ----------
    title : str
        What messages call it.
    file : str
        Where it is kept, below ``data_home``.
    mirrors : sequence of sequences of str
        Addresses of the files it is made of; each mirror has them all, in one order.
    convert : callable
        Makes the arrays of the downloaded files, given in that order.
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
    """Read the set's file, downloading it first where it is missing.

    Raises
    ------
    DataNotSuppliedError
        If the file is missing and cannot be downloaded, or is not to be.
    OSError
        If the file, or what a source sends, is damaged. Nothing is replaced or deleted.
    """
    path = get_data_home(data_home) / source.file
    if path.exists():
        return read_cached(path, source.file)
    if not download_if_missing:
        raise _not_supplied(source, path, "download_if_missing is False")
    return _download(source, path)


def read_cached(path: Path, file: str) -> Arrays:
    """Read a file of arrays and compare it with the checksums known for ``file``."""
    try:
        arrays = _read_arrays(path)
    except OSError:  # of the disk, or permission: says nothing about the content
        raise
    except Exception as error:  # whatever the reader says of bytes that are no arrays
        raise _damaged_file(path, [f"it cannot be read ({error})"]) from error
    if damage := list(find_damage(arrays, DIGESTS[file])):
        raise _damaged_file(path, damage)
    return arrays


def _read_arrays(path):
    with path.open("rb") as stream:
        content = np.load(stream, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise ValueError("not an .npz archive")
        with content:
            return {name: content[name] for name in content.files}


def _damaged_file(path, reasons):
    return DamagedDataError(
        f"{path} is damaged: {'; '.join(reasons)}. Delete the file and fetch the set again, or put "
        "a whole copy in its place."
    )


def _download(source, path):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        workplace = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-")
    except OSError as error:
        raise _not_supplied(source, path, f"{path.parent} cannot be written ({error})") from error
    failures = []
    with workplace as folder:
        for urls in source.mirrors:
            try:
                arrays = _obtain(source, urls, Path(folder))
            except (OSError, http.client.HTTPException) as error:
                failures.append(error)
            else:
                _save(arrays, Path(folder) / "arrays.npz", path)
                return arrays
    if any(isinstance(error, DamagedDataError) for error in failures):
        raise DamagedDataError(_explain(source, path, *failures)) from failures[-1]
    raise _not_supplied(source, path, *failures) from failures[-1]


def _obtain(source, urls, folder):
    paths = [folder / f"{i}-{url.rsplit('/', 1)[-1]}" for i, url in enumerate(urls)]
    for url, path in zip(urls, paths, strict=True):
        _transfer_patiently(url, path, source.title)
    return _convert(source, urls, paths)


def _convert(source, urls, paths):
    try:
        arrays = source.convert(paths)
    except Exception as error:  # whatever a parser says of bytes that are not the set
        raise DamagedDataError(f"{', '.join(urls)} cannot be read ({error!r})") from error
    if damage := list(find_damage(arrays, DIGESTS[source.file])):
        raise DamagedDataError(f"{', '.join(urls)} is not the set expected: {'; '.join(damage)}")
    return arrays


def _save(arrays, temporary, path):
    np.savez_compressed(temporary, **arrays)
    temporary.replace(path)


def _transfer_patiently(url, path, title):
    for attempt in range(ATTEMPTS):
        try:
            return _transfer(url, path, title)
        except urllib.error.HTTPError as error:
            error.close()
            failure: Exception = OSError(f"{url}: HTTP {error.code} {error.reason}")
            if error.code < 500:
                break
        except (OSError, http.client.HTTPException) as error:
            failure = OSError(f"{url}: {error or type(error).__name__}")
        if attempt + 1 < ATTEMPTS:
            time.sleep(PAUSE * 2**attempt)
    raise failure


def _transfer(url, path, title):
    from tqdm.auto import tqdm  # in notebooks without widgets its import prints a warning

    request = urllib.request.Request(url, headers={"User-Agent": "skrobust"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response, path.open("wb") as file:
        size = response.headers.get("Content-Length")
        size = int(size) if size is not None else None
        with tqdm(total=size, desc=title, unit="B", unit_scale=True) as bar:
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
            received = file.tell()
    if size is not None and received != size:
        raise ConnectionError(f"the connection broke after {received} of {size} bytes")


def _not_supplied(source, path, *reasons):
    return DataNotSuppliedError(f"Data not supplied: {_explain(source, path, *reasons)}")


def _explain(source, path, *reasons):
    addresses = "\n".join(f"  {url}" for urls in source.mirrors for url in urls)
    return (
        f"{source.title} is not at {path} and was not downloaded.\n"
        + "".join(f"Reason: {reason}\n" for reason in reasons)
        + f"Its public sources are\n{addresses}\n"
        f"To place it by hand, fetch it on a machine that reaches them and copy {source.file} from "
        f"the data_home there to {path}; or pass data_home=, or set SKROBUST_DATA to, a folder "
        f"that holds {source.file}."
    )
