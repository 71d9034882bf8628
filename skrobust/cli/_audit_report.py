"""The report on an audited table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skrobust import LabelAudit
from skrobust._html import render
from skrobust.cli._pictures import draw_targets
from skrobust.cli._report import row_names
from skrobust.cli._target_column import Target
from skrobust.tables._encoder import Column

__all__ = ["AuditFindings", "build_audit_report", "describe_top", "summarise"]

_N_SHOWN = 20
_N_CELLS = 30
_N_CLASSES = 15


@dataclass(frozen=True)
class AuditFindings:
    """What the report says of a table."""

    name: str
    target: Target
    audit: LabelAudit
    suspect: np.ndarray  # (n,), bool: the share of the rows that is marked
    columns: Sequence[Column]  # of ``frame``
    frame: pd.DataFrame  # without target and id
    ids: pd.Series | None  # shown beside the rows' numbers

    @property
    def measure(self) -> str:
        """What is said of a given label or target besides the suggestion."""
        return "probability" if self.target.is_classes else "residual"


def build_audit_report(
    findings: AuditFindings, facts: Sequence[tuple[str, str]], notes: Sequence[str]
) -> str:
    """Write the page; facts are what was done, name and value, notes what to know of the table."""
    is_classes = findings.target.is_classes
    top = findings.audit.order[:_N_SHOWN]
    names = row_names(top, findings.ids)
    return render(
        "audit.html",
        heading=f"Least trusted {findings.target.column}",
        name=findings.name,
        summary=summarise(findings),
        evaluation="",
        notes=notes,
        id_column=None if findings.ids is None else findings.ids.name,
        measures=["given", "suggested", findings.measure],
        rows=[_row(findings, row, name) for row, name in zip(top, names, strict=True)],
        n_more=len(findings.columns) - _N_CELLS,
        is_classes=is_classes,
        facts=facts,
        **(_confusion(findings) if is_classes else _targets(findings)),
    )


def summarise(findings: AuditFindings) -> str:
    """How many rows are marked, and what the models say of them."""
    suspect, n = findings.suspect, len(findings.suspect)
    text = f"{suspect.sum():,} of {n:,} rows are marked as suspect."
    if not findings.target.is_classes:
        half = np.median(findings.audit.scores)
        return f"{text} Half of all targets are within {half:.4g} of their prediction."
    disagree = findings.audit.suggestions != findings.target.y
    return (
        f"{text} The models suggest another {findings.target.column} for "
        f"{(disagree & suspect).sum():,} of them, and for {disagree.sum():,} of all rows."
    )


def describe_top(findings: AuditFindings, n_shown: int = 5) -> list[str]:
    """Lines on the least trusted rows."""
    top = findings.audit.order[:n_shown]
    lines = ["least trusted:"]
    for row, name in zip(top, row_names(top, findings.ids), strict=True):
        given, suggested, last = _verdict(findings, row)
        what = f"given {given}, suggested {suggested} ({findings.measure} {last})"
        lines.append(f"  row {name}: {what}")
    return lines


def _verdict(findings: AuditFindings, row: int) -> tuple[str, str, str]:
    """Given and suggested label or target, and probability or residual, as text."""
    target, audit = findings.target, findings.audit
    given, suggested, last = target.y[row], audit.suggestions[row], audit.given[row]
    if target.is_classes:
        share = f"{last:.3f}" if last >= 0.001 else "< 0.001"
        return target.classes[given], target.classes[suggested], share
    return f"{given:.6g}", f"{suggested:.4g}", f"{last:+.4g}"


def _row(findings: AuditFindings, row: int, name: str) -> dict[str, Any]:
    """A row of the report with its cells, those of the first columns of many."""
    cells = findings.frame.iloc[[row]]
    shown = [(c.name, c.cell_text(cells[c.name])) for c in findings.columns[:_N_CELLS]]
    said = zip(("given", "suggested", findings.measure), _verdict(findings, row), strict=True)
    return {"name": name, **dict(said), "cells": shown}


def _confusion(findings: AuditFindings) -> dict[str, Any]:
    """Count given by suggested classes among the marked rows."""
    target, suspect = findings.target, findings.suspect
    counts = np.zeros((len(target.classes), len(target.classes)), dtype=int)
    np.add.at(counts, (target.y[suspect], findings.audit.suggestions[suspect]), 1)
    busiest = np.argsort(-(counts.sum(axis=0) + counts.sum(axis=1)), kind="stable")[:_N_CLASSES]
    shown = np.sort(busiest)
    part = counts[np.ix_(shown, shown)]
    lines = [(target.classes[k], line) for k, line in zip(shown, part.tolist(), strict=True)]
    shares = {"counts": lines if suspect.any() else [], "n_left_out": counts.sum() - part.sum()}
    return {**shares, "picture_of_targets": None}


def _targets(findings: AuditFindings) -> dict[str, Any]:
    """Draw given against predicted targets; count on which side the marked ones are."""
    target, audit, suspect = findings.target, findings.audit, findings.suspect
    n_above = int((audit.given[suspect] > 0).sum())
    return {
        "picture_of_targets": draw_targets(target.y, audit.predictions, suspect, target.column),
        "n_above": n_above,
        "n_below": int(suspect.sum()) - n_above,
    }
