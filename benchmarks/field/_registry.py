"""The benchmarks of this package by name, and where their results are."""

from __future__ import annotations

from pathlib import Path

from benchmarks._command import Entry

__all__ = ["BENCHMARKS", "RESULTS"]

RESULTS = Path(__file__).parent / "results"
_WHAT = {
    "labels-people": "Labels that people got wrong, on features of pictures",
    "tables": "Wrong labels of four kinds on tables",
    "targets": "Wrong targets of four kinds on tables",
    "audits": "Which model to audit labels and targets with",
    "poison-screen": "Backdoor attacks of the literature, and defences against them",
    "clean": "What scaling by the middle of the values costs on clean tables",
    "detect-adbench": "Anomaly detectors on 30 tables, beside PyOD's",
    "fresh": "How many fresh normal rows detectors flag",
    "relations": "Which estimators keep their results when a table is changed",
}
BENCHMARKS: dict[str, Entry] = {
    name: Entry(f"benchmarks.field.{name.replace('-', '_')}", what) for name, what in _WHAT.items()
}
