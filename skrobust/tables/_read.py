"""Read a table from CSV or Parquet, or say in one line why it cannot be read."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from skrobust.tables._cells import TableError

MISSING = ("", "NA", "N/A", "#N/A", "n/a", "<NA>", "NaN", "nan", "-nan", "NULL", "null")
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """A table and what was noticed while it was read.

    Parameters
    ----------
    frame : DataFrame
        Rows in the order of the file, index 0 to n - 1.
    notes : list of str
        One sentence each.
    """

    frame: pd.DataFrame
    notes: list[str]


def read_table(
    path: str | Path, text_columns: Collection[str] = (), id_column: str | None = None
) -> Table:
    """Read a file; what it is, its first bytes decide.

    Parameters
    ----------
    path : str or Path
        CSV (UTF-8; fields separated by comma, semicolon, tab or bar) or Parquet.
    text_columns : collection of str
        Columns of a CSV file whose cells are not to be read as numbers.
    id_column : str, optional
        Column of a CSV file whose cells are copied as they are; only empty ones are missing.

    Returns
    -------
    Table
        ``frame``, and ``notes`` on what was noticed. Missing in a CSV file are empty cells and
        words such as NA, n/a, NaN and null.

    Raises
    ------
    TableError
        If the file cannot be read, or is not a table with a header and at least one row.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skrobust.tables import read_table
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "towns.csv"
    ...     _ = path.write_text("town;heat\\nLima;21.5\\nOslo;n/a\\n")
    ...     table = read_table(path)
    >>> table.frame["heat"].tolist()
    [21.5, nan]
    """
    path = Path(path)
    try:
        check_readable(path)
        with path.open("rb") as file:
            start = file.read(8192)
        is_parquet, columns = start.startswith(b"PAR1"), (text_columns, id_column)
        table = _read_parquet(path) if is_parquet else _read_csv(path, start, *columns)
    except OSError as error:
        raise TableError(f"cannot read {path}: {reason(error)}") from error
    if not len(table.frame):
        raise TableError(f"{path} has a header but no rows")
    return table


def check_readable(path: Path) -> None:
    """Refuse pipes and devices, as a file is read more than once; opening a folder says enough."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise TableError(f"{path} is not a regular file")


def reason(error: Exception) -> str:
    """First line of an error's message, or what kind it is."""
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().split("\n")[0] or type(error).__name__


def _read_parquet(path: Path) -> Table:
    try:
        frame = pd.read_parquet(path).reset_index(drop=True)
    except ImportError as error:
        raise TableError(f"{path} is Parquet, which needs pyarrow (skrobust[parquet])") from error
    except (ValueError, NotImplementedError) as error:
        raise TableError(f"cannot read {path} as Parquet: {reason(error)}") from error
    frame.columns = frame.columns.map(str)
    return _without_unnamed(path, frame, list(frame.columns))


def _read_csv(
    path: Path, start: bytes, text_columns: Collection[str], id_column: str | None
) -> Table:
    if not start.strip():
        raise TableError(f"{path} is empty")
    if b"\0" in start:
        raise TableError(f"{path} is neither CSV nor Parquet: it holds binary data")
    try:
        delimiter, names = _check_lines(path)
        places = {name.strip(): place for place, name in enumerate(names)}
        text = {places[name] for name in (*text_columns, id_column) if name in places}
        words = {place: list(MISSING) for place in places.values()}
        if id_column in places:
            words[places[id_column]] = [""]
        frame = pd.read_csv(
            path,
            sep=delimiter,
            encoding="utf-8-sig",
            index_col=False,
            low_memory=False,
            skipinitialspace=True,
            header=0,
            names=range(len(names)),
            dtype=dict.fromkeys(text, str),
            keep_default_na=False,
            na_values=words,
        )
    except UnicodeDecodeError as error:
        raise TableError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    except TableError:
        raise
    except ValueError as error:  # pandas' ParserError is one
        raise TableError(f"cannot read {path} as CSV: {reason(error)}") from error
    return _without_unnamed(path, frame, names)


def _check_lines(path: Path) -> tuple[str, list[str]]:
    """Delimiter and names; pandas would fill a line that is too short without a word."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        delimiter = max(_DELIMITERS, key=lines.readline().count)
        lines.seek(0)
        names: list[str] = []
        usual = csv.field_size_limit(2**31 - 1)  # pandas reads such fields
        try:
            for number, row in _records(path, lines, delimiter):
                if len(row) <= 1 and not "".join(row).strip():
                    continue  # pandas skips blank lines too
                names = names or row
                if len(row) != len(names):
                    what = f"{len(row)} fields, but the header has {len(names)}"
                    raise TableError(f"{path}, line {number}: {what}")
        finally:
            csv.field_size_limit(usual)
    return delimiter, names


def _records(path: Path, lines: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Records with the lines where they begin."""
    text = _text_lines(path, lines)
    rows = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
    number = 1
    try:
        for row in rows:
            yield number, row
            number = rows.line_num + 1
    except csv.Error as error:
        raise TableError(f"{path}, line {number}: {error} (check its quotes)") from error


def _text_lines(path: Path, lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise TableError(f"{path}, line {number}: binary data")
        yield line


def _without_unnamed(path: Path, frame: pd.DataFrame, names: list[str]) -> Table:
    """Refuse two columns of one name; leave out those without a name, such as a saved index."""
    named = [name.strip() for name in names if name.strip()]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise TableError(f"{path} has two columns named {twice[0]!r}")
    keep = np.array([bool(name.strip()) for name in names], dtype=bool)
    frame = frame.loc[:, keep]
    frame.columns = pd.Index(named)
    notes = []
    if not keep.all():
        n = int((~keep).sum())
        notes.append(f"{n} column{'s' * (n > 1)} without a name: not used")
    if named and all(map(_is_number, named)) and named != [str(i) for i in range(len(named))]:
        notes.append(f"the first line of {path.name} is taken for column names")
    return Table(frame, notes)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
