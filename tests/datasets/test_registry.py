"""Digests depend on content, not on how it is laid out."""

import hashlib

import numpy as np
import pytest

from skrobust.datasets._registry import DIGESTS, array_digest, find_damage

ARRAY = np.arange(6, dtype="<f4").reshape(2, 3)


def test_digest_is_the_hash_of_the_documented_bytes():
    content = b"X (2, 3) <f4\n" + np.array([0, 1, 2, 3, 4, 5], "<f4").tobytes()
    assert array_digest("X", ARRAY) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "same",
    [np.asfortranarray(ARRAY), ARRAY.astype(">f4"), np.repeat(ARRAY, 2, axis=1)[:, ::2]],
    ids=["fortran", "big-endian", "strided"],
)
def test_layout_does_not_matter(same):
    assert array_digest("X", same) == array_digest("X", ARRAY)


@pytest.mark.parametrize(
    "name, other",
    [
        ("Y", ARRAY),
        ("X", ARRAY.reshape(3, 2)),
        ("X", ARRAY.astype("f8")),
        ("X", np.nextafter(ARRAY, np.float32(9))),
        ("X", ARRAY.view("<i4")),
    ],
    ids=["name", "shape", "type", "last bit", "interpretation"],
)
def test_content_matters(name, other):
    assert array_digest(name, other) != array_digest("X", ARRAY)


def test_strings_and_empty_arrays():
    names = np.array(["a", "bc"])
    assert array_digest("n", names) == array_digest("n", names.astype(">U2"))
    assert array_digest("n", names) != array_digest("n", names[::-1])
    assert len(array_digest("e", np.empty((0, 3)))) == 64


def test_damage_is_named():
    digests = {"X": array_digest("X", ARRAY), "X[:1]": array_digest("X[:1]", ARRAY[:1])}
    assert list(find_damage({"X": ARRAY}, digests)) == []
    assert list(find_damage({}, digests)) == ["array 'X' is missing"] * 2
    later = ARRAY.copy()
    later[1, 0] = -1
    assert [text[:9] for text in find_damage({"X": later}, digests)] == ["array 'X'"]


def test_table_is_well_formed():
    digests = [digest for file in DIGESTS.values() for digest in file.values()]
    assert (
        len(DIGESTS) == 18 + 12 + 5 + 5 + 1 + 8 + 1
    )  # the labels of CIFAR-10N, the archive of CIFAR-10
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)
