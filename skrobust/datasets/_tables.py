"""What the fetchers of tables return, in scikit-learn's form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.utils import Bunch

__all__ = ["make_table"]


def make_table(
    X: np.ndarray,
    y: np.ndarray,
    *,
    feature_names: Sequence[str],
    target_columns: Sequence[str],
    return_X_y: bool,
    as_frame: bool,
    **extra: object,
) -> Bunch | tuple:
    """Wrap arrays as scikit-learn's fetchers do; ``extra`` goes into the bunch."""
    data, target, frame = X, y, None
    if as_frame:
        import pandas as pd

        data = pd.DataFrame(X, columns=list(feature_names))
        target = pd.DataFrame(y.reshape(len(y), -1), columns=list(target_columns))
        frame = pd.concat([data, target], axis=1)
        target = target if y.ndim == 2 else target[target_columns[0]]
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, frame=frame, feature_names=list(feature_names), **extra)
