"""Make the stored numbers anew: ``python -m tests.reference.make [NAME ...]``.

``--compare`` writes nothing and prints how far today's numbers are from the stored ones.
"""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from tests.reference.fits import FITS

__all__ = ["differences", "environment", "load", "path_of", "stored_environment"]

FOLDER = Path(__file__).parent / "numbers"


def path_of(name: str) -> Path:
    """File of one fit."""
    return FOLDER / f"{name.replace(', ', '-').replace(' ', '-')}.npz"


def load(name: str) -> dict[str, np.ndarray]:
    """Stored numbers of one fit."""
    with np.load(path_of(name)) as stored:
        return dict(stored)


def environment() -> dict[str, str]:
    """What the last digits of a fit depend on."""
    packages = {name: version(name) for name in ("torch", "numpy", "scikit-learn")}
    return {
        **packages,
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def stored_environment() -> dict[str, str]:
    """The same, of the machine that made the numbers."""
    return json.loads((FOLDER / "environment.json").read_text())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    known = dict(line.partition(":")[::2] for line in reversed(lines) if ":" in line)
    known = {key.strip(): value.strip() for key, value in known.items()}
    names = ("model name", "cpu family", "model", "stepping")
    return " ".join(known.get(name, "") for name in names)


def differences(found: dict, stored: dict) -> dict[str, float]:
    """Largest difference of each array, relative to the array's largest number."""
    result = {}
    for name in sorted(found.keys() | stored.keys()):
        a, b = found.get(name), stored.get(name)
        if a is None or b is None or a.shape != b.shape:
            result[name] = np.inf
            continue
        a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
        if np.array_equal(a, b, equal_nan=True):
            continue
        scale = np.nanmax(np.abs(b)) or 1.0
        result[name] = float(np.nanmax(np.abs(a - b))) / scale
    return result


def main() -> None:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--compare", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name in args.names or FITS:
        found = FITS[name]()
        if args.compare:
            apart = differences(found, load(name))
            print(f"{name:30s}", *(f"{key} {value:.1e}" for key, value in apart.items()))
        else:
            np.savez_compressed(path_of(name), **found)
    if not args.compare:
        text = json.dumps(environment(), indent=1)
        (FOLDER / "environment.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
