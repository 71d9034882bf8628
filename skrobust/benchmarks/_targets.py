"""Numbers printed in the thesis, for comparison."""

from __future__ import annotations

__all__ = ["TABLE_2_1", "TABLE_3_1"]

# set: (RCA, plain autoencoder), mean test AUC over 10 seeds
TABLE_2_1 = {
    "vowels": (0.917, 0.879),
    "pima": (0.711, 0.669),
    "optdigits": (0.890, 0.907),
    "letter": (0.802, 0.829),
    "cardio": (0.905, 0.867),
    "arrhythmia": (0.806, 0.802),
    "breastw": (0.978, 0.973),
    "musk": (1.000, 0.998),
    "mnist": (0.858, 0.802),
    "satimage-2": (0.977, 0.818),
    "satellite": (0.712, 0.575),
    "mammography": (0.844, 0.853),
    "thyroid": (0.956, 0.928),
    "annthyroid": (0.688, 0.675),
    "ionosphere": (0.846, 0.821),
    "pendigits": (0.856, 0.685),
    "shuttle": (0.935, 0.921),
    "glass": (0.998, 0.570),
}

# set: (RobustRealNVP, RealNVP), mean test AUC over 5 seeds
TABLE_3_1 = {
    "vowels": (0.959, 0.889),
    "pima": (0.678, 0.652),
    "letter": (0.930, 0.915),
    "cardio": (0.737, 0.712),
    "arrhythmia": (0.786, 0.780),
    "musk": (0.991, 0.794),
    "mnist": (0.818, 0.820),
    "satimage-2": (0.943, 0.915),
    "satellite": (0.709, 0.690),
    "mammography": (0.841, 0.855),
    "thyroid": (0.961, 0.956),
    "annthyroid": (0.880, 0.864),
    "ionosphere": (0.900, 0.914),
    "pendigits": (0.748, 0.730),
    "shuttle": (0.995, 0.825),
    "glass": (0.786, 0.747),
}
