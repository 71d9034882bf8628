"""The features of pictures: the same arithmetic as written out, and no file overwritten."""

import numpy as np
import pytest
import torch

from benchmarks.field import features


def test_maps_are_averaged_whatever_the_batch():
    pictures = np.random.RandomState(0).randint(256, size=(5, 3, 32, 32)).astype(np.uint8)
    seen = []

    def network(values):
        seen.append(values)
        return values[:, :2, ::28, ::28]  # two maps of 4 x 4

    found = features.describe(network, pictures, batch=2)
    assert [len(values) for values in seen] == [2, 2, 1]
    values = torch.cat(seen)
    assert values.shape == (5, 3, 112, 112)
    np.testing.assert_allclose(found, values[:, :2, ::28, ::28].mean((2, 3)), rtol=1e-6)
    # enlarging keeps the mean of a picture; 0 and 255 become -.992 and 1
    scaled = (pictures / 255 - 0.498) / 0.502
    np.testing.assert_allclose(values.mean((2, 3)), scaled.mean((2, 3)), atol=0.02)


def test_components_are_those_of_the_training_part():
    rng = np.random.RandomState(0)
    train, test = rng.normal(size=(60, 8)) * np.arange(8, 0, -1), rng.normal(size=(20, 8)) + 5
    parts = features.reduce(train, test, n_components=3)
    assert [part.shape for part in parts] == [(60, 3), (20, 3)]
    assert all(part.dtype == np.float16 for part in parts)
    _, _, axes = np.linalg.svd(train - train.mean(0), full_matrices=False)
    expected = (test - train.mean(0)) @ axes[:3].T
    np.testing.assert_allclose(np.abs(parts[1]), np.abs(expected), rtol=0.01, atol=0.01)


def test_a_file_that_is_there_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("SKROBUST_DATA", str(tmp_path))
    (path := tmp_path / features.FILE).parent.mkdir()
    path.write_bytes(b"kept")
    with pytest.raises(SystemExit, match="is there already"):
        features.main()
    assert path.read_bytes() == b"kept"
