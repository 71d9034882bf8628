"""Command line of the benchmarks on data that nobody here made."""

from __future__ import annotations

import html
import sys
from pathlib import Path

from benchmarks._command import Suite
from benchmarks._results import ResultFile
from benchmarks.field._registry import BENCHMARKS, RESULTS


def _list_all() -> str:
    return "\n".join(f"{name:17} {entry.what}" for name, entry in BENCHMARKS.items())


def _page(results: Path) -> str:
    parts = ["<!doctype html><meta charset='utf-8'><title>Benchmarks in the field</title>"]
    for name, entry in BENCHMARKS.items():
        benchmark = entry.load()
        table = benchmark.render(ResultFile(results / f"{name}.csv", benchmark.VALUES).frame())
        parts.append(f"<h1>{html.escape(entry.what)}</h1><pre>{html.escape(table)}</pre>")
    return "\n".join(parts)


main = Suite("benchmarks.field", BENCHMARKS, RESULTS, _list_all, _page)

if __name__ == "__main__":
    sys.exit(main())
