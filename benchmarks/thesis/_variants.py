"""Variants of RCADetector on the ODDS sets: what ``rcvae`` and ``k-rca`` share."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from sklearn.preprocessing import MinMaxScaler

from benchmarks._results import Cell
from benchmarks.thesis._detectors import CHAPTER
from benchmarks.thesis._odds import measure_detector
from skrobust import RCADetector

__all__ = ["SETTING", "auc_table", "measure_variant"]

SETTING = "rate true"


def measure_variant(cell: Cell, parameters: Mapping, device: str) -> dict[str, float]:
    """Train one variant on the contaminated part of a set and score the other."""

    def build(rate, width):
        settings = {**CHAPTER, **parameters}
        return RCADetector(rate, random_state=cell.seed, device=device, **settings)

    return measure_detector(cell, build, scale=MinMaxScaler)


def auc_table(frame: pd.DataFrame, methods: Mapping) -> str:
    """Mean AUC by set and variant, and their means."""
    if frame.empty:
        return "nothing measured yet"
    table = frame.pivot_table(index="set", columns="method", values="auc")
    table = table[[name for name in methods if name in table]]
    table.loc["mean"] = table.dropna().mean()
    return f"Test AUC, up to {frame['seed'].nunique()} seeds\n\n{table.round(3).to_string()}"
