"""Suspects: rows whose label hangs on a mark, what they have in common, and whether it is one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrobust.backdoor._transplant import (
    Effects,
    Predict,
    Rows,
    effects_of_suspects,
    seen_otherwise,
)

__all__ = ["Evidence", "act_alike", "find_suspects", "judge_evidence"]

_ACTING = 0.5  # effect of single rows that act like a mark
# Effects of the suspects of a label that is flagged: what they share, and each for itself,
_BOTH = 0.6
_ALONE = 0.85  # or each for itself, for marks that move
_BY_CLASS = 0.6  # or what they share in rows of the class that they come from
_MOST = 0.7  # share of them to which the judge gives another label


class Evidence(NamedTuple):
    """What is known of one label.

    Parameters
    ----------
    suspects : array of int
        Places of the rows.
    effects : array of shape (3,)
        As :func:`effects_of_suspects` gives them.
    picture : array of shape (n_features,)
        The mark.
    disagreement : float
        Share of the rows under suspicion that a judge, which has not seen them, gives another
        label.
    p_value : float
        nan where effect or disagreement are too small to ask for it.
    """

    suspects: np.ndarray
    effects: np.ndarray
    picture: np.ndarray
    disagreement: float = float("nan")
    p_value: float = float("nan")

    @property
    def is_universal(self) -> bool:
        """Whether the mark gives this label to rows of whatever class."""
        return bool(self.effects[:2].min() >= _BOTH or self.effects[1] >= _ALONE)

    @property
    def is_strong(self) -> bool:
        """Whether effect and disagreement are those of a mark."""
        much = self.is_universal or self.effects[2] >= _BY_CLASS
        return bool(much and self.disagreement >= _MOST)


def find_suspects(
    rows: Rows,
    predict: Predict,
    judge: Predict,
    fits: np.ndarray,
    effects: Effects,
    core: np.ndarray,
    least: int,
) -> dict[int, Evidence]:
    """Collect the suspects of each label and measure what they have in common.

    Where enough of them have an effect of their own, only those: the others are odd rows.

    Parameters
    ----------
    rows : Rows
        All training rows.
    predict, judge : callable
        The network that may have learnt a mark, and one that has not.
    fits : array of shape (n_samples,), bool
        Rows that the former gives their label.
    effects : Effects
        Of each row.
    core : array of shape (n_samples,), bool
        Rows that are trusted.
    least : int
        Fewer suspects are not judged.

    Returns
    -------
    dict
        By label, for those with enough suspects.
    """
    seen = judge(rows.given)
    other = seen_otherwise(seen, rows.codes) & fits
    found = {}
    for code in range(rows.n_labels):
        suspects = np.flatnonzero(other & (rows.codes == code))
        acting = suspects[effects.towards[suspects] >= _ACTING]
        suspects = acting if len(acting) >= least else suspects
        if len(suspects) >= least and (core & (rows.codes != code)).any():
            sources = seen[suspects].argmax(axis=1)
            shared, picture = effects_of_suspects(rows, predict, judge, suspects, sources, core)
            found[code] = Evidence(suspects, shared, picture)
    return found


def act_alike(evidence: Evidence, effects: Effects) -> np.ndarray:
    """Mark rows that do to others what few of the suspects of a label do, whatever they show."""
    least = np.quantile(effects.towards[evidence.suspects], 0.75)
    return effects.towards >= max(_ACTING, least)


def judge_evidence(
    rows: Rows,
    predict: Predict,
    judge: Predict,
    trusted: np.ndarray,
    suspected: np.ndarray,
    core: np.ndarray,
    found: dict[int, Evidence],
    n_permutations: int,
) -> dict[int, Evidence]:
    """Add disagreement and p-values, by a judge that no suspect was shown to.

    Parameters
    ----------
    rows, predict, judge, core
        As for :func:`find_suspects`.
    trusted : array of shape (n_samples,), bool
        Rows that make the null distribution: as many of a label as it has suspects, drawn again and
        again; of the labels in question the largest effect counts.
    suspected : array of shape (n_samples,), bool
        Rows under suspicion, that the judge has not seen.
    found : dict
        What :func:`find_suspects` has found.
    n_permutations : int
        How often they are drawn.
    """
    seen = judge(rows.given)
    for code, one in found.items():
        out = suspected & (rows.codes == code)
        other = seen_otherwise(seen[out], rows.codes[out]).mean() if out.any() else 0.0
        found[code] = one._replace(disagreement=float(other))
    asked = [
        code
        for code, one in found.items()
        if one.is_strong and (trusted & (rows.codes == code)).any()
    ]
    by_class = not all(found[code].is_universal for code in asked)
    null = np.zeros(n_permutations)
    for code in asked:
        usual = np.flatnonzero(trusted & (rows.codes == code))
        others = np.flatnonzero(core & (rows.codes != code))
        n_drawn = min(len(usual), len(found[code].suspects))
        for i in range(n_permutations):
            drawn = rows.rng.choice(usual, n_drawn, replace=False)
            _, sources = rows.from_neighbors(drawn, others)
            effects, _ = effects_of_suspects(
                rows, predict, judge, drawn, sources, core, 40, by_class
            )
            null[i] = max(null[i], effects.max())
    for code in asked:
        higher = (null >= found[code].effects.max()).sum()
        found[code] = found[code]._replace(p_value=float((1 + higher) / (1 + n_permutations)))
    return found
