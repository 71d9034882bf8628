"""All benchmarks by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

__all__ = ["BENCHMARKS", "Entry"]


@dataclass(frozen=True)
class Entry:
    """One table or figure.

    Parameters
    ----------
    module : str
        Module of this package with ``cells(n_seeds, sets, methods, settings)``,
        ``measure(cell, device)``, ``VALUES`` and ``render(frame)``.
    what : str
        What it reproduces.
    """

    module: str
    what: str

    def load(self):
        """Import the module."""
        return import_module(f"skrobust.benchmarks.{self.module}")


BENCHMARKS = {
    "rca-odds": Entry("rca_odds", "Table 2.1: anomaly detection on ODDS, contaminated training"),
    "nvp-odds": Entry("nvp_odds", "Table 3.1, Figure 3.4: robust flows on ODDS"),
    "rca-passes": Entry("rca_passes", "Section 2.3: how many passes the scoring ensemble needs"),
}
