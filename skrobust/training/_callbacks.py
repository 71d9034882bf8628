"""skorch callbacks for robust training."""

from __future__ import annotations

from typing import Any

import numpy as np
from skorch.callbacks import Callback

__all__ = ["EpochProgressBar", "KeptShare"]


class EpochProgressBar(Callback):
    """Progress bar over the epochs (``verbose=1``).

    Parameters
    ----------
    description : str, default="fit"
        Text before the bar.
    """

    def __init__(self, description: str = "fit") -> None:
        self.description = description

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Leave the bar to the first epoch."""
        self.bar_: Any = None

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Advance the bar by one epoch."""
        if self.bar_ is None:
            from tqdm.auto import tqdm

            n_epochs = net.state_.progress.n_epochs
            self.bar_ = tqdm(total=n_epochs, desc=self.description, unit="epoch")
        self.bar_.set_postfix(loss=f"{net.history[-1, 'train_loss']:.4g}", refresh=False)
        self.bar_.update()

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Close the bar."""
        if self.bar_ is not None:
            self.bar_.close()
        self.bar_ = None


class KeptShare(Callback):
    """Record per epoch what share of the kept rows carries a mark, as ``kept_share``.

    With marks on the anomalies this is the impurity of the training data after selection, the
    curve of Figure 2.2's last column.

    Parameters
    ----------
    marks : array-like of shape (n_rows,)
        1 for the rows to count, in the order of the training rows.
    name : str, default="kept_share"
        Key in the history.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import RCADetector
    >>> from skrobust.training import KeptShare
    >>> rng = np.random.RandomState(0)
    >>> X, y = rng.normal(size=(60, 3)), np.arange(60) < 6
    >>> X[y] += 8
    >>> detector = RCADetector(max_epochs=5, callbacks=[KeptShare(y)], random_state=0).fit(X)
    >>> len(detector.history_[:, "kept_share"])
    5
    """

    def __init__(self, marks: Any, name: str = "kept_share") -> None:
        self.marks = marks
        self.name = name

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Refuse marks that cannot belong to the training rows."""
        if len(self.marks) != net.n_rows:
            raise ValueError(f"marks has {len(self.marks)} entries for {net.n_rows} training rows")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Compare the rows kept in this epoch with the marks."""
        kept = net.state_.record.kept.cpu().numpy()
        marks = np.asarray(self.marks, dtype=bool)
        total = np.nansum(kept)
        net.history.record(self.name, float(np.nansum(kept[marks]) / total) if total else 0.0)
