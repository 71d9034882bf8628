"""How things run: devices, threads, random numbers, and rows in chunks of one shape."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

CHUNK_ROWS = 256
_seeding = threading.RLock()  # of generators that belong to the process
_counting = threading.Lock()
_limits: list[int] = []  # for each block that limits threads, what was set before all of them
_BLOCK_BYTES = 2 * 2**20
_CPU = torch.device("cpu")


def resolve_device(device: str | torch.device | None) -> torch.device:
    """Turn the parameter ``device`` into a torch device that exists.

    None and "auto" are the current CUDA device if there is one, otherwise the CPU. Raises
    ValueError if torch does not know the device, or this machine does not have it.
    """
    if device is None or (isinstance(device, str) and device == "auto"):
        return torch.device("cuda", torch.cuda.current_device()) if _has_cuda() else _CPU
    try:
        resolved = torch.device(device)
        if resolved.type not in ("cpu", "cuda"):
            raise NotImplementedError("only CPUs and CUDA devices are supported")
        torch.empty(0, device=resolved)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device={device!r} cannot be used here ({reason}); allowed are None, 'auto', 'cpu' "
            "and, where torch sees one, 'cuda' or 'cuda:0'"
        ) from error
    return resolved


def _has_cuda() -> bool:
    return torch.cuda.is_available()


@contextmanager
def limited_threads(n_threads: int | None) -> Iterator[None]:
    """Let torch use at most ``n_threads`` CPU threads inside; None changes nothing."""
    if n_threads is None or n_threads >= torch.get_num_threads():
        yield
        return
    with _counting:  # threads that do this at the same time leave what was there before them
        _limits.append(_limits[0] if _limits else torch.get_num_threads())
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        with _counting:
            torch.set_num_threads(_limits.pop())


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Draw a seed for torch."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


@contextmanager
def forked_rng(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators on the CPU and on ``device``; restore them on leaving."""
    devices = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        for cuda_device in devices:
            with torch.cuda.device(cuda_device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def contained_seeding(seed: int, device: torch.device = _CPU) -> Iterator[None]:
    """Seed all global generators and restore them: for other libraries' code that uses them.

    They belong to the process, so threads that do this at the same time wait for each other.
    """
    with _seeding:
        numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
        try:
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            with forked_rng(seed, device):
                yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)


@contextmanager
def isolated(device: Any, random_state: Any, n_threads: int | None) -> Iterator[torch.device]:
    """Own random numbers and few threads for the time of ``fit``; yields the device.

    numpy's generator is included, for splits and callbacks without a seed of their own.
    """
    resolved, seed = resolve_device(device), draw_seed(random_state)
    with contained_seeding(seed, resolved), limited_threads(n_threads):
        yield resolved


def _forget_locks() -> None:
    """In a forked process: the thread that held them is not there."""
    global _seeding, _counting
    _seeding, _counting = threading.RLock(), threading.Lock()
    _limits.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


def map_rows(
    function: Callable[[Tensor], Tensor],
    X: np.ndarray,
    prepare: Callable[[np.ndarray], np.ndarray],
    device: torch.device | str = "cpu",
    n_threads: int | None = None,
) -> np.ndarray:
    """Apply a function to the rows of an array, a block of chunks at a time, without gradients.

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
    n_threads : int or None, default=None
        CPU threads that torch may use.

    Returns
    -------
    array of shape (n_rows, ...), float64
    """
    result = np.empty(0)
    row_bytes = 4 * max(1, int(np.prod(X.shape[1:])))
    n_chunks = max(1, _BLOCK_BYTES // (CHUNK_ROWS * row_bytes))
    with limited_threads(n_threads), torch.no_grad():
        for start in range(0, len(X), n_chunks * CHUNK_ROWS):
            rows = prepare(X[start : start + n_chunks * CHUNK_ROWS])
            padded = -(-len(rows) // CHUNK_ROWS) * CHUNK_ROWS
            chunks = torch.zeros(padded, *rows.shape[1:])
            chunks[: len(rows)] = torch.from_numpy(rows)
            values = function(chunks.view(-1, CHUNK_ROWS, *rows.shape[1:]).to(device))
            found = values.flatten(0, 1)[: len(rows)].double().cpu().numpy()
            if start == 0:
                result = np.empty((len(X), *found.shape[1:]))
            result[start : start + len(rows)] = found
    return result
