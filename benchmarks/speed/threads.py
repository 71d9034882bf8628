"""What ``n_threads=1`` protects from: small networks on two threads beside a busy process.

Wall clock, since waiting is the point. Every case runs in a process of its own under a time
limit; a case that exceeds it is reported with the time it had.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.speed.data import contaminated_rows
from benchmarks.speed.report import Row
from benchmarks.speed.timing import Ratio, quartiles, seconds

__all__ = ["run"]

LIMIT = 60.0  # seconds per case
REPEATS = 5
_BUSY = f"import time; end = time.time() + {2 * LIMIT}\nwhile time.time() < end: pass"


def run(rounds: int) -> Iterator[Row]:
    """Yield a short fit on two threads over one thread, alone and beside a busy process.

    ``rounds`` is not used: the bad case takes too long for many.
    """
    for busy in (False, True):
        place = "beside a busy process" if busy else "alone"
        one, two = _measure("1", busy), _measure("None", busy)
        yield Row(
            f"fit n_threads=None (2) / n_threads=1, {place}", _over(two, one), note=_note(two)
        )
        if not busy:
            alone = one
    yield Row("fit n_threads=1, beside a busy process / alone", _over(one, alone), note=_note(one))


def _over(times: list[float], base: list[float]) -> Ratio:
    """Times over the base's median; not interleaved, the cases need processes of their own."""
    unit = quartiles(base or [LIMIT]).median
    return quartiles([t / unit for t in times or [LIMIT]])


def _note(times: list[float]) -> str:
    finished = f"median {quartiles(times).median:.3g} s" if times else f"over {LIMIT:g} s"
    return f"{finished}, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def _measure(setting: str, busy: bool) -> list[float]:
    """Wall-clock seconds of the fits that finished within the limit."""
    command = [sys.executable, "-m", "benchmarks.speed.threads", setting]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "MKL_"))}
    with _neighbour(busy):
        try:
            done = subprocess.run(
                command, capture_output=True, check=True, timeout=LIMIT, env=environment
            )
            output = done.stdout
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b""
    return [float(line) for line in output.decode().splitlines()]


@contextmanager
def _neighbour(busy: bool) -> Iterator[None]:
    """One process that computes without pause; stopped in any case, by itself at the latest."""
    if not busy:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", _BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _print_seconds(n_threads: int | None) -> None:
    import torch

    from skrobust import RCADetector

    torch.set_num_threads(2)
    X = contaminated_rows(512)
    detector = RCADetector(
        hidden_layer_sizes=(128, 128),
        n_passes=0,
        max_epochs=2,
        n_threads=n_threads,
        device="cpu",
        random_state=0,
    )
    for repeat in range(REPEATS + 1):
        elapsed = seconds(lambda: detector.fit(X), time.perf_counter)
        if repeat > 0:  # the first one loads libraries
            print(elapsed, flush=True)


if __name__ == "__main__":
    _print_seconds(None if sys.argv[1] == "None" else int(sys.argv[1]))
