"""Suspects: rows whose label hangs on a mark, what they have in common, and whether it is one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrobust.backdoor._transplant import (
    Effects,
    Network,
    Rows,
    effects_of_differences,
    seen_otherwise,
)

__all__ = ["Evidence", "act_alike", "find_suspects", "judge_evidence", "share_carried"]

_ACTING = 0.5  # effect of single rows that act like a mark
# Effects of the suspects of a label that is flagged: what they share, and each for itself;
_SURE, _LOST = 0.85, 0.6  # by both, of suspects that mostly lose the label without it,
_MANY, _OF_MANY = 20, 0.55  # or less of many,
_OF_FEW, _FEW_LOST, _MORE = 0.7, 0.85, 0.15  # or of few, which would not by another change as long,
_ALONE = 0.85  # or each of many for itself, where marks move
_BY_CLASS = 0.6  # or what they share in rows of the class that they come from
_MOST = 0.6  # share of them to which the judge gives another label
_N_CONTROLS = 3
_MOST_USUAL = 500  # rows of a label that the null distribution is drawn from


class Evidence(NamedTuple):
    """What is known of one label.

    Parameters
    ----------
    suspects : array of int
        Places of the rows.
    effects : array of shape (3,)
        As :func:`effects_of_differences` gives them.
    picture : array of shape (n_features,)
        The mark.
    removal : float
        Share of the suspects that lose the label where the picture that the others make is taken
        from them.
    control : float
        The same of a picture that other rows of the label make, at the same length.
    disagreement : float
        Share of the rows under suspicion that a judge, which has not seen them, gives another
        label.
    p_value : float
        nan where effect or disagreement are too small to ask for it.
    has_others : bool
        Whether the mark was put into rows of several labels.
    """

    suspects: np.ndarray
    effects: np.ndarray
    picture: np.ndarray
    removal: float = float("nan")
    control: float = float("nan")
    disagreement: float = float("nan")
    p_value: float = float("nan")
    has_others: bool = True

    @property
    def stays(self) -> bool:
        """Whether the mark is the same in all rows, and at the same place."""
        return bool(self.effects[[0, 2]].max() >= _OF_MANY)

    @property
    def is_universal(self) -> bool:
        """Whether the mark gives this label to rows of whatever class."""
        both, alone = self.effects[:2].min(), self.effects[1]
        more = self.removal >= self.control + _MORE
        if not self.has_others and not more:  # between two labels, any change may look like a mark
            return False
        if len(self.suspects) >= _MANY:
            moves = alone >= _ALONE and self.has_others
            return bool(moves or (both >= _OF_MANY and self.removal >= _LOST))
        if both >= _SURE:
            return bool(self.removal >= _LOST)
        return bool(both >= _OF_FEW and self.removal >= _FEW_LOST and more)

    @property
    def is_strong(self) -> bool:
        """Whether effect and disagreement are those of a mark."""
        much = self.is_universal or self.effects[2] >= _BY_CLASS
        return bool(much and self.disagreement >= _MOST)


def find_suspects(
    rows: Rows,
    plain: Network,
    judge: Network,
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
    plain, judge : Network
        The one that may have learnt a mark, and one that has not.
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
    other = seen_otherwise(judge.seen, rows.codes) & fits
    found = {}
    for code in range(rows.n_labels):
        suspects = np.flatnonzero(other & (rows.codes == code))
        acting = suspects[effects.towards[suspects] >= _ACTING]
        suspects = acting if len(acting) >= least else suspects
        others = np.flatnonzero(core & (rows.codes != code))
        if len(suspects) >= least and len(others):
            differences, _ = rows.from_neighbors(suspects, others)
            sources = judge.seen[suspects].argmax(axis=1)
            shared = effects_of_differences(rows, plain, judge, code, differences, sources, core)
            usual = np.flatnonzero(fits & ~other & (rows.codes == code))
            usual = rows.rng.permutation(usual)[:_MOST_USUAL]
            removal = _removal(rows, plain, suspects, differences)
            control = _control(rows, plain, suspects, differences, usual, others)
            found[code] = Evidence(
                suspects,
                shared,
                differences.mean(axis=0),
                removal,
                control,
                has_others=len(np.unique(rows.codes[others])) > 1,
            )
    return found


def _removal(rows: Rows, plain: Network, suspects: np.ndarray, differences: np.ndarray) -> float:
    """How many rows of either half lose their label without what the other half has in common."""
    half = np.zeros(len(suspects), dtype=bool)
    half[rows.rng.permutation(len(suspects))[: len(suspects) // 2]] = True
    lost = 0
    for part in (half, ~half):
        without = rows.changed(suspects[part], -differences[~part].mean(axis=0))
        lost += int((plain(without).argmax(axis=1) != rows.codes[suspects[part]]).sum())
    return lost / len(suspects)


def _control(
    rows: Rows,
    plain: Network,
    suspects: np.ndarray,
    differences: np.ndarray,
    usual: np.ndarray,
    others: np.ndarray,
) -> float:
    """How many suspects lose their label by what as many usual rows have in common."""
    if not len(usual):
        return 0.0
    length = np.linalg.norm(differences.mean(axis=0) / rows.spread)
    unlike, lost = rows.from_neighbors(usual, others)[0], []
    for _ in range(_N_CONTROLS):
        drawn = rows.rng.permutation(len(usual))[: len(suspects)]
        change = unlike[drawn].mean(axis=0)
        change *= length / max(float(np.linalg.norm(change / rows.spread)), 1e-12)
        lost.append(plain(rows.changed(suspects, -change)).argmax(axis=1) != rows.codes[suspects])
    return float(np.mean(lost))


def act_alike(evidence: Evidence, effects: Effects) -> np.ndarray:
    """Mark rows that do to others what few of the suspects of a label do, whatever they show."""
    least = np.quantile(effects.towards[evidence.suspects], 0.75)
    return effects.towards >= max(_ACTING, least)


def share_carried(
    rows: Rows, evidence: Evidence, places: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """How much of the mark rows have on top of their neighbours of other labels; of suspects 1."""
    mark = evidence.picture / rows.spread**2
    both = np.concatenate([places, evidence.suspects])
    found = rows.from_neighbors(both, others)[0] @ mark
    usual = np.median(found[len(places) :])
    return found[: len(places)] / usual if usual > 0 else np.ones(len(places))


def judge_evidence(
    rows: Rows,
    plain: Network,
    judge: Network,
    trusted: np.ndarray,
    suspected: np.ndarray,
    core: np.ndarray,
    found: dict[int, Evidence],
    n_permutations: int,
) -> dict[int, Evidence]:
    """Add disagreement and p-values, by a judge that no suspect was shown to.

    Parameters
    ----------
    rows, plain, judge, core
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
    for code, one in found.items():
        out = suspected & (rows.codes == code)
        if out.any():
            other = seen_otherwise(judge.seen[out], rows.codes[out]).mean()
            found[code] = one._replace(disagreement=float(other))
    asked = [
        code
        for code, one in found.items()
        if one.is_strong and (trusted & (rows.codes == code)).any()
    ]
    by_class = not all(found[code].is_universal for code in asked)
    null = np.zeros(n_permutations)
    for code in asked:
        usual = rows.rng.permutation(np.flatnonzero(trusted & (rows.codes == code)))[:_MOST_USUAL]
        others = np.flatnonzero(core & (rows.codes != code))
        differences, sources = rows.from_neighbors(usual, others)
        n_drawn = min(len(usual), len(found[code].suspects))
        for i in range(n_permutations):
            drawn = rows.rng.permutation(len(usual))[:n_drawn]
            effects = effects_of_differences(
                rows, plain, judge, code, differences[drawn], sources[drawn], core, 40, by_class
            )
            null[i] = max(null[i], effects.max())
    for code in asked:
        effects = found[code].effects if by_class else found[code].effects[:2]
        higher = (null >= effects.max()).sum()
        found[code] = found[code]._replace(p_value=float((1 + higher) / (1 + n_permutations)))
    return found
