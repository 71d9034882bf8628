"""Triggers: the patterns that poisoned rows carry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
from scipy.ndimage import map_coordinates, zoom

from skrobust._validation import check_choice, check_whole
from skrobust.corruption._cast import cast_exactly

__all__ = [
    "BlendTrigger",
    "PatchTrigger",
    "SinusoidalTrigger",
    "TabularTrigger",
    "Trigger",
    "WarpTrigger",
]

_CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")


class Trigger(ABC):
    """Something that can be put into rows, always in the same way.

    Calling it with rows returns a copy that carries it, an array of the same shape and type.
    """

    @abstractmethod
    def __call__(self, X) -> np.ndarray:
        """Return a copy of the rows that carries the trigger.

        Parameters
        ----------
        X : array-like of shape (n_rows, ...)
            Rows.

        Returns
        -------
        array of the shape and type of ``X``

        Raises
        ------
        ValueError
            If the trigger does not fit into the rows, or their values are out of range.
        """


@dataclass(frozen=True)
class _ImageTrigger(Trigger):
    """A trigger for images (n_rows, height, width) or (n_rows, channels, height, width).

    Pixels of integer type lie in [0, 255], others in [0, 1].
    """

    def __call__(self, X) -> np.ndarray:
        X = np.asarray(X)
        if X.ndim not in (3, 4):
            raise ValueError(
                "X must be images of shape (n, height, width) or (n, channels, height, width), got "
                f"shape {X.shape}"
            )
        high = 255.0 if np.issubdtype(X.dtype, np.integer) else 1.0
        if high == 255 and np.iinfo(X.dtype).max < 255:
            raise ValueError(f"pixels of type {X.dtype} cannot hold 255; pass uint8 or floats")
        if X.size and not (X.min() >= 0 and X.max() <= high):
            raise ValueError(
                f"pixels of type {X.dtype} must lie in [0, {high:g}], got values from {X.min()} to "
                f"{X.max()}"
            )
        changed = np.clip(self._put(X / high), 0.0, 1.0) * high
        return (np.rint(changed) if high == 255 else changed).astype(X.dtype)

    @abstractmethod
    def _put(self, X: np.ndarray) -> np.ndarray:
        """Images with pixels in [0, 1], as floats."""


@dataclass(frozen=True)
class PatchTrigger(_ImageTrigger):
    """A small checkerboard in a corner (BadNets), the patch of chapter 5.

    It replaces the pixels of all channels by white and black, white in its own top left corner
    [1]_.

    Parameters
    ----------
    size : int, default=3
        Height and width in pixels.
    corner : {"bottom-right", "bottom-left", "top-right", "top-left"}, default="bottom-right"
        Where it lies.

    References
    ----------
    .. [1] Gu, T., Dolan-Gavitt, B., Garg, S. BadNets: identifying vulnerabilities in the machine
       learning model supply chain. arXiv:1708.06733, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.corruption import PatchTrigger
    >>> PatchTrigger(size=2)(np.full((1, 3, 3), 0.5))[0]
    array([[0.5, 0.5, 0.5],
           [0.5, 1. , 0. ],
           [0.5, 0. , 1. ]])
    """

    size: int = 3
    corner: str = "bottom-right"

    def __post_init__(self) -> None:
        check_choice("corner", self.corner, _CORNERS)
        check_whole("size", self.size, 1)

    def _put(self, X: np.ndarray) -> np.ndarray:
        if min(X.shape[-2:]) < self.size:
            raise ValueError(
                f"a patch of size={self.size} is larger than the pictures, {X.shape[-2]} x "
                f"{X.shape[-1]} pixels"
            )
        vertical, horizontal = self.corner.split("-")
        rows = slice(0, self.size) if vertical == "top" else slice(-self.size, None)
        columns = slice(0, self.size) if horizontal == "left" else slice(-self.size, None)
        steps = np.arange(self.size)
        X = X.copy()
        X[..., rows, columns] = (steps[:, None] + steps) % 2 == 0
        return X


@dataclass(frozen=True)
class BlendTrigger(_ImageTrigger):
    """A faint picture of noise over the whole image, the blend of chapter 5.

    From [1]_, which blends pictures and noise.

    Parameters
    ----------
    alpha : float in (0, 1], default=0.1
        Share of the noise: images become (1 - alpha) x + alpha noise.
    mean, scale : float, default=0.5, 0.25
        Of the normal distribution of the noise, which is clipped to the range of pixels. The
        chapter does not give them.
    seed : int, default=0
        Draws the noise, the same for all images of a shape.

    References
    ----------
    .. [1] Chen, X., Liu, C., Li, B., Lu, K., Song, D. Targeted backdoor attacks on deep learning
       systems using data poisoning. arXiv:1712.05526, 2017.
    """

    alpha: float = 0.1
    mean: float = 0.5
    scale: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= 1:
            raise ValueError(f"alpha must lie in (0, 1], got {self.alpha!r}")

    def _put(self, X: np.ndarray) -> np.ndarray:
        noise = np.random.RandomState(self.seed).normal(self.mean, self.scale, X.shape[1:])
        return (1 - self.alpha) * X + self.alpha * noise.clip(0.0, 1.0)


@dataclass(frozen=True)
class SinusoidalTrigger(_ImageTrigger):
    """A faint wave of vertical stripes over the whole image.

    From [1]_.

    Parameters
    ----------
    amplitude : float in (0, 1], default=20/255
        Height of the wave, as a share of the range of pixels.
    frequency : float, default=6.0
        Waves from the left edge to the right one.

    References
    ----------
    .. [1] Barni, M., Kallas, K., Tondi, B. A new backdoor attack in CNNs by training set
       corruption without label poisoning. ICIP, 2019.
    """

    amplitude: float = 20 / 255
    frequency: float = 6.0

    def __post_init__(self) -> None:
        if not 0 < self.amplitude <= 1:
            raise ValueError(f"amplitude must lie in (0, 1], got {self.amplitude!r}")
        if not self.frequency > 0:
            raise ValueError(f"frequency must be positive, got {self.frequency!r}")

    def _put(self, X: np.ndarray) -> np.ndarray:
        width = X.shape[-1]
        phase = 2 * np.pi * self.frequency * np.arange(width) / width
        return X + self.amplitude * np.sin(phase)


@dataclass(frozen=True)
class WarpTrigger(_ImageTrigger):
    """A smooth distortion of the image, hardly visible (after WaNet).

    From [1]_.

    Parameters
    ----------
    strength : float, default=0.5
        Mean displacement at the knots of the distortion, in pixels of an image of 32 x 32; larger
        images are displaced in proportion.
    n_knots : int, default=4
        Knots along either side; between them the displacement is interpolated.
    seed : int, default=0
        Draws the displacements, the same for all images.

    References
    ----------
    .. [1] Nguyen, T. A., Tran, A. T. WaNet: imperceptible warping-based backdoor attack. ICLR,
       2021.
    """

    strength: float = 0.5
    n_knots: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise ValueError(f"strength must be positive, got {self.strength!r}")
        check_whole("n_knots", self.n_knots, 2)

    def _put(self, X: np.ndarray) -> np.ndarray:
        size = X.shape[-2:]
        knots = np.random.RandomState(self.seed).uniform(-1, 1, (2, self.n_knots, self.n_knots))
        knots *= self.strength / np.abs(knots).mean()
        shift = [
            zoom(one, np.divide(size, self.n_knots), order=min(3, self.n_knots - 1)) * n / 32
            for one, n in zip(knots, size, strict=True)
        ]
        places = np.indices(size) + np.stack(shift)
        images = X.reshape(-1, *size)
        warped = [map_coordinates(image, places, order=1, mode="nearest") for image in images]
        return np.reshape(warped, X.shape)


@dataclass(frozen=True)
class TabularTrigger(Trigger):
    """Fixed values in some columns of a table.

    Parameters
    ----------
    values : mapping from int to float
        Columns, counted from 0, and what they are set to: something that the type of the table
        can hold.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.corruption import TabularTrigger
    >>> TabularTrigger({0: 9.0, 2: -1.0})(np.zeros((1, 4)))
    array([[ 9.,  0., -1.,  0.]])
    """

    values: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.values, Mapping) or not self.values:
            raise ValueError(
                "values must map at least one column to what it is set to, got " + repr(self.values)
            )
        for column in self.values:
            if not isinstance(column, Integral) or isinstance(column, bool) or column < 0:
                raise ValueError(f"values must count columns from 0, got {column!r}")

    def __call__(self, X) -> np.ndarray:
        X = np.array(X)
        if X.ndim != 2:
            raise ValueError(f"X must be a table (n_rows, n_columns), got shape {X.shape}")
        for column, value in self.values.items():
            if column >= X.shape[1]:
                raise ValueError(f"values names column {column!r}, X has {X.shape[1]} columns")
            X[:, column] = cast_exactly(value, X.dtype, f"values[{column}]")
        return X
