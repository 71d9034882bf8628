"""All benchmarks by name, and where their results are."""

from __future__ import annotations

from pathlib import Path

from benchmarks._command import Entry

__all__ = ["BENCHMARKS", "RESULTS"]

RESULTS = Path(__file__).parent / "results"

_WHAT = {
    "intro-lagos": "Tables 1.1-1.3 in form: lakes without their outliers",
    "rca-moons": "Figure 2.2: autoencoders on two moons",
    "rca-odds": "Table 2.1: anomaly detection on ODDS, contaminated training",
    "rca-missing": "Table 2.2: missing cells, replaced by means",
    "rca-epsilon": "Table 2.3: RCA told a wrong rate",
    "rcvae": "Figure 2.3: RCA with variational autoencoders",
    "k-rca": "Figure 2.4: RCA with two to seven networks",
    "rca-passes": "Section 2.3: how many passes the scoring ensemble needs",
    "moons-density": "Figures 3.1-3.3: densities on two moons",
    "nvp-odds": "Table 3.1, Figure 3.4: robust flows on ODDS",
    "nvp-features": "Table 3.2 in form: robust flows on image features",
    "nvp-epsilon": "Figures 3.5, 3.6: a wrong rate, a high rate",
    "nvp-planted": "What the flow's settings were chosen on",
    "prl-regression": "Table 4.1 in form: regression on wrong targets",
    "prl-images": "Table 4.2 in form: pictures with wrong labels",
    "prl-epsilon": "Table 4.4 in form: a wrong rate of wrong labels",
    "prl-lagos": "Table 4.5: nutrients of lakes from corrupted measurements",
    "prl-time": "Table 4.6: time of a training step",
    "audit": "Planted wrong labels and targets: the audit against cleanlab",
    "backdoor-cifar": "Tables 5.1, 5.2: CIFAR-10, on a GPU",
    "backdoor-semi": "Table 5.3 in form: few labels, poisoned",
    "backdoor-epsilon": "Table 5.4 in form: an assumed rate of one half",
    "backdoor-ablation": "Tables 5.6, 5.7 in form: one robust part",
    "backdoor-mnist": "Table 5.8 in form: training on poisoned pictures",
    "backdoor-choice": "Settings against poison, compared without a clean row",
    "unknown-rate": "Rates that nobody knows: estimates and their cost",
}
_NEED_GPU = {"backdoor-cifar"}

# A benchmark's module has its name, with underscores.
BENCHMARKS = {
    name: Entry(f"benchmarks.thesis.{name.replace('-', '_')}", what, name in _NEED_GPU)
    for name, what in _WHAT.items()
}
