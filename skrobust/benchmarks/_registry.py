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
        ``measure(cell, device)``, ``VALUES`` and ``render(frame)``; with a figure also
        ``draw(device)``.
    what : str
        What it reproduces.
    needs_gpu : bool
        Whether a CPU would take days.
    """

    module: str
    what: str
    needs_gpu: bool = False

    def load(self):
        """Import the module."""
        return import_module(f"skrobust.benchmarks.{self.module}")


BENCHMARKS = {
    "intro-lagos": Entry("intro_lagos", "Tables 1.1-1.3 in form: lakes without their outliers"),
    "rca-moons": Entry("rca_moons", "Figure 2.2: autoencoders on two moons"),
    "rca-odds": Entry("rca_odds", "Table 2.1: anomaly detection on ODDS, contaminated training"),
    "rca-missing": Entry("rca_missing", "Table 2.2: missing cells, replaced by means"),
    "rca-epsilon": Entry("rca_epsilon", "Table 2.3: RCA told a wrong rate"),
    "rcvae": Entry("rcvae", "Figure 2.3: RCA with variational autoencoders"),
    "k-rca": Entry("k_rca", "Figure 2.4: RCA with two to seven networks"),
    "rca-passes": Entry("rca_passes", "Section 2.3: how many passes the scoring ensemble needs"),
    "moons-density": Entry("moons_density", "Figures 3.1-3.3: densities on two moons"),
    "nvp-odds": Entry("nvp_odds", "Table 3.1, Figure 3.4: robust flows on ODDS"),
    "nvp-features": Entry("nvp_features", "Table 3.2 in form: robust flows on image features"),
    "nvp-epsilon": Entry("nvp_epsilon", "Figures 3.5, 3.6: a wrong rate, a high rate"),
    "nvp-planted": Entry("nvp_planted", "What the flow's settings were chosen on"),
    "prl-regression": Entry("prl_regression", "Table 4.1 in form: regression on wrong targets"),
    "prl-images": Entry("prl_images", "Table 4.2 in form: pictures with wrong labels"),
    "prl-epsilon": Entry("prl_epsilon", "Table 4.4 in form: a wrong rate of wrong labels"),
    "prl-lagos": Entry("prl_lagos", "Table 4.5: nutrients of lakes from corrupted measurements"),
    "prl-time": Entry("prl_time", "Table 4.6: time of a training step"),
    "audit": Entry("audit", "Planted wrong labels and targets: the audit against cleanlab"),
    "backdoor-cifar": Entry("backdoor_cifar", "Tables 5.1, 5.2: CIFAR-10, on a GPU", True),
    "backdoor-semi": Entry("backdoor_semi", "Table 5.3 in form: few labels, poisoned"),
    "backdoor-epsilon": Entry("backdoor_epsilon", "Table 5.4 in form: an assumed rate of one half"),
    "backdoor-ablation": Entry("backdoor_ablation", "Tables 5.6, 5.7 in form: one robust part"),
    "backdoor-mnist": Entry("backdoor_mnist", "Table 5.8 in form: training on poisoned pictures"),
    "backdoor-choice": Entry(
        "backdoor_choice", "Settings against poison, compared without a clean row"
    ),
    "unknown-rate": Entry("unknown_rate", "Rates that nobody knows: estimates and their cost"),
}
