"""Score rows in chunks of one fixed shape, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

__all__ = ["CHUNK_ROWS", "map_rows"]

CHUNK_ROWS = 256
BLOCK_BYTES = 2 * 2**20


def map_rows(
    function: Callable[[Tensor], Tensor],
    X: np.ndarray,
    prepare: Callable[[np.ndarray], np.ndarray],
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """Apply a function to the rows of an array, a block of chunks at a time.

    Every chunk has the same shape, the last one is padded with zeros, so that the arithmetic of a
    row, and with it the last bit of its score, does not depend on the rows beside it.

    Parameters
    ----------
    function : callable
        Maps chunks (n_chunks, CHUNK_ROWS, ...) to values (n_chunks, CHUNK_ROWS, ...), one chunk
        at a time.
    X : array of shape (n_rows, ...)
        The rows; only slices of it are read, so that it may be memory-mapped.
    prepare : callable
        Turns a slice of ``X`` into a float32 array.
    device : torch.device or str, default="cpu"
        Where the function runs.

    Returns
    -------
    array of shape (n_rows, ...), float64
    """
    result = np.empty(0)
    row_bytes = 4 * max(1, int(np.prod(X.shape[1:])))
    n_chunks = max(1, BLOCK_BYTES // (CHUNK_ROWS * row_bytes))
    for start in range(0, len(X), n_chunks * CHUNK_ROWS):
        rows = prepare(X[start : start + n_chunks * CHUNK_ROWS])
        padded = -(-len(rows) // CHUNK_ROWS) * CHUNK_ROWS
        chunks = torch.zeros(padded, *rows.shape[1:])
        chunks[: len(rows)] = torch.from_numpy(rows)
        chunks = chunks.view(-1, CHUNK_ROWS, *rows.shape[1:]).to(device)
        values = function(chunks).flatten(0, 1)[: len(rows)].double().cpu().numpy()
        if start == 0:
            result = np.empty((len(X), *values.shape[1:]))
        result[start : start + len(rows)] = values
    return result
