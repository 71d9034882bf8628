"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["beside", "write_whole"]

_PREFIX, _SUFFIX = ".skrobust-", ".part"


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write all files beside their places, then move them there; after an error none is left.

    What a killed process has left beside them is swept up. Raises OSError.
    """
    for folder in {path.parent for path in contents}:
        _sweep(folder)
    parts = {path: beside(path) for path in contents}
    try:
        for path, part in parts.items():
            with part.open("wb") as file:
                file.write(contents[path])
                file.flush()
                os.fsync(file.fileno())  # or a crash may leave an empty file under the name
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)


def beside(path: Path) -> Path:
    """A new file in the same folder; its name is short, as that of the path may be the longest."""
    return path.with_name(f"{_PREFIX}{os.getpid()}-{secrets.token_hex(8)}{_SUFFIX}")


def _sweep(folder: Path) -> None:
    """Remove parts whose process is gone."""
    with suppress(OSError):
        for part in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            number = part.name.removeprefix(_PREFIX).partition("-")[0]
            if number.isdecimal() and not _is_running(int(number)):
                with suppress(OSError):
                    part.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name != "posix":  # where there is no way to ask without a library
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
