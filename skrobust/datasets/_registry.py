"""What is known of the sets, and the SHA-256 of their arrays.

A digest is the same however a file packs an array and whatever the machine's byte order.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

__all__ = ["DIGESTS", "SETS", "array_digest", "find_damage"]


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _read_digests() -> dict[str, dict[str, str]]:
    digests: dict[str, dict[str, str]] = {}
    for line in _read("registry.txt").splitlines():
        if not line.startswith("#"):
            file, array, digest = line.split()
            digests.setdefault(file, {})[array] = digest
    return digests


SETS = tomllib.loads(_read("sets.toml"))
DIGESTS = _read_digests()


def array_digest(name: str, array: np.ndarray) -> str:
    """Hash an array's name, shape, little-endian type and values in C order, as 64 hex digits."""
    dtype = array.dtype.newbyteorder("<")
    values = np.ascontiguousarray(array, dtype=dtype)
    digest = hashlib.sha256(f"{name} {array.shape} {dtype.str}\n".encode())
    digest.update(values.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def find_damage(arrays: Mapping[str, np.ndarray], digests: Mapping[str, str]) -> Iterator[str]:
    """Say what is missing in ``arrays`` and what differs from the table.

    A key ``"x[:1000]"`` stands for the first 1,000 rows of ``x``.
    """
    for key, digest in digests.items():
        name, _, rows = key.partition("[:")
        if name not in arrays:
            yield f"array {name!r} is missing"
            continue
        array = arrays[name][: int(rows.rstrip("]"))] if rows else arrays[name]
        if array_digest(key, array) != digest:
            yield f"array {key!r} has wrong values (its SHA-256 differs)"
