"""Batches cover every row once; scoring does not depend on neighbours and stays small."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

from skrobust.training import CHUNK_ROWS, DeviceBatches, RowDataset, map_rows


def collected(batches):
    parts = list(batches)
    x = torch.cat([x for x, _ in parts])
    y, rows = (torch.cat([target[i] for _, target in parts]) for i in range(2))
    return x, y, rows, [len(x) for x, _ in parts]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("make", [DeviceBatches, DataLoader])
def test_every_row_once_with_its_target_and_id(make, shuffle):
    torch.manual_seed(0)
    dataset = RowDataset(torch.arange(23.0).unsqueeze(1), torch.arange(23) * 10)
    batches = make(dataset, batch_size=5, shuffle=shuffle)
    x, y, rows, sizes = collected(batches)
    assert sizes == [5, 5, 5, 5, 3]
    assert len(batches) == 5
    assert sorted(rows.tolist()) == list(range(23))
    assert (rows.tolist() == list(range(23))) is not shuffle
    assert torch.equal(x.squeeze(1).long(), rows)
    assert torch.equal(y, rows * 10)


@pytest.mark.parametrize(
    ("n_rows", "sizes"),
    [(1, [1]), (4, [4]), (5, [5]), (6, [4, 2]), (8, [4, 4]), (9, [4, 5]), (11, [4, 4, 3])],
)
def test_no_row_comes_alone(n_rows, sizes):
    batches = DeviceBatches(RowDataset(torch.arange(float(n_rows))), batch_size=4)
    _, _, rows, found = collected(batches)
    assert found == sizes
    assert len(batches) == len(sizes)
    assert rows.tolist() == list(range(n_rows))


def test_batches_of_one_row():
    batches = DeviceBatches(RowDataset(torch.arange(3.0)), batch_size=1)
    assert collected(batches)[3] == [1, 1, 1]


def test_order_is_new_in_every_epoch_and_repeatable():
    batches = DeviceBatches(RowDataset(torch.arange(50.0)), 50, shuffle=True)
    torch.manual_seed(3)
    first, second = collected(batches)[2], collected(batches)[2]
    torch.manual_seed(3)
    assert torch.equal(first, collected(batches)[2])
    assert not torch.equal(first, second)


def test_subset_of_a_subset_keeps_the_original_ids():
    dataset = RowDataset(torch.arange(10.0))
    subset = Subset(Subset(dataset, np.array([1, 3, 5, 7])), [0, 2])
    assert collected(DeviceBatches(subset, 4))[2].tolist() == [1, 5]


def test_map_rows_sees_every_row_once_in_fixed_shapes():
    X = np.random.RandomState(0).rand(3 * CHUNK_ROWS + 7, 4)
    shapes = []

    def total(chunks):
        shapes.append(tuple(chunks.shape))
        return chunks.sum(dim=-1)

    result = map_rows(total, X, lambda rows: rows.astype(np.float32))
    np.testing.assert_allclose(result, X.sum(axis=1), rtol=1e-6)
    assert result.dtype == np.float64
    assert shapes == [(4, CHUNK_ROWS, 4)]


def test_map_rows_reads_a_block_at_a_time():
    longest = []
    X = np.zeros((200_000, 64), dtype=np.float32)
    map_rows(lambda chunks: chunks[..., 0], X, lambda rows: longest.append(len(rows)) or rows)
    assert sum(longest) == len(X)
    assert max(longest) * 64 * 4 <= 8 * 2**20


def test_map_rows_keeps_several_values_per_row():
    X = np.random.RandomState(0).rand(CHUNK_ROWS + 3, 4).astype(np.float32)
    result = map_rows(lambda chunks: chunks[..., :2] * 2, X, lambda rows: rows)
    np.testing.assert_allclose(result, 2 * X[:, :2])
