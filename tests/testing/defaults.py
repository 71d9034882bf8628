"""The relations for every estimator as it comes: ``python -m tests.testing.defaults [NAME ...]``.

The suite checks smaller ones. It takes about a quarter of an hour of one core.
"""

from __future__ import annotations

import sys
import warnings

import torch

from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    OutlierDetectorAdapter,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustEnsembleDetector,
    RobustRealNVPDetector,
    SemiSupervisedBackdoorClassifier,
)
from skrobust.testing import check_robust_estimator

ESTIMATORS = {
    "RCA": RCADetector(),
    "RCA auto": RCADetector("auto"),
    "RealNVP": RobustRealNVPDetector(),
    "RealNVP auto": RobustRealNVPDetector("auto"),
    "ensemble": RobustEnsembleDetector(),
    "adapter": OutlierDetectorAdapter(RCADetector()),
    "PRL": PRLClassifier(),
    "PRL auto": PRLClassifier(corruption_rate="auto"),
    "PRL(G)": PRLClassifier(selection="gradient"),
    "regressor": PRLRegressor(),
    "regressor auto": PRLRegressor(corruption_rate="auto"),
    "backdoor": BackdoorRobustClassifier(),
    "backdoor prl": BackdoorRobustClassifier(noisy_label="prl"),
    "fine-pruning": FinePruningClassifier(),
    "semi-supervised": SemiSupervisedBackdoorClassifier(),
}


def main(names: list[str]) -> int:
    """Print what is not kept; return how many relations that are."""
    torch.set_num_threads(1)
    n_broken = 0
    for name in names or ESTIMATORS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = check_robust_estimator(ESTIMATORS[name], on_fail=None)
        broken = [result for result in results if not result.kept]
        n_broken += len(broken)
        said = [f"{one.relation} {one.difference:.3g} > {one.tolerance:.3g}" for one in broken]
        print(f"{name}: {'; '.join(said) or f'all {len(results)} kept'}", flush=True)
    return n_broken


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
