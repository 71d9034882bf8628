"""Triggers: the patterns that poisoned rows carry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates, zoom

from skrobust._validation import check_choice, check_whole
from skrobust.corruption._common import cast_exactly


class Trigger(ABC):
    """Something that can be put into rows, always in the same way.

    Calling it with rows returns a copy that carries it, an array of the same shape and type.
    """

    @abstractmethod
    def __call__(self, X: npt.ArrayLike) -> np.ndarray:
        """Return a copy of the rows (n_rows, ...) that carries the trigger, which must fit in."""


@dataclass(frozen=True)
class _ImageTrigger(Trigger):
    """A trigger for images (n_rows, height, width) or (n_rows, channels, height, width).

    Pixels of integer type lie in [0, 255], others in [0, 1].
    """

    def __call__(self, X: npt.ArrayLike) -> np.ndarray:
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
    """A small checkerboard in a corner, the patch of chapter 5 (BadNets: arXiv:1708.06733, 2017).

    It replaces the pixels of all channels by white and black, white in its own top left corner.

    Parameters
    ----------
    size : int, default=3
        Height and width in pixels.
    corner : str, default="bottom-right"
        Where it lies: "bottom-right", "bottom-left", "top-right" or "top-left"; "random": in each
        image at a place of its own.
    seed : int, default=0
        For "random". The place depends on the seed and on the pixels of the image, rounded to 256
        levels, and on nothing else: an image gets the same place in every call, whatever the other
        rows are, and equal images get the same one.

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
    seed: int = 0

    def __post_init__(self) -> None:
        corners = ("top-left", "top-right", "bottom-left", "bottom-right", "random")
        check_choice("corner", self.corner, corners)
        check_whole("size", self.size, 1)
        check_whole("seed", self.seed, 0)

    def _put(self, X: np.ndarray) -> np.ndarray:
        room = np.subtract(X.shape[-2:], self.size)
        if room.min() < 0:
            pixels = "{} x {} pixels".format(*X.shape[-2:])
            raise ValueError(f"a patch of size={self.size} is larger than the pictures, {pixels}")
        steps, X = np.arange(self.size), X.copy()
        board = (steps[:, None] + steps) % 2 == 0
        for image, (top, left) in zip(X, self._places(X, room), strict=True):
            image[..., top : top + self.size, left : left + self.size] = board
        return X

    def _places(self, X: np.ndarray, room: np.ndarray) -> np.ndarray:
        """First row and first column (n_rows, 2) of the patch, from 0 to ``room``."""
        if self.corner != "random":
            at_end = [self.corner.startswith("bottom"), self.corner.endswith("right")]
            return np.tile(room * at_end, (len(X), 1))
        seeds = [[self.seed, crc32(row.tobytes())] for row in np.rint(255 * X).astype(np.uint8)]
        places = [np.random.RandomState(pair).randint(room + 1) for pair in seeds]
        return np.reshape(places, (len(X), 2)).astype(int)


@dataclass(frozen=True)
class BlendTrigger(_ImageTrigger):
    """A faint picture of noise over the whole image, chapter 5's blend (arXiv:1712.05526, 2017).

    Parameters
    ----------
    alpha : float in (0, 1], default=0.1
        Share of the noise: images become (1 - alpha) x + alpha noise.
    mean, scale : float, default=0.5, 0.25
        Of the normal distribution of the noise, which is clipped to the range of pixels. The
        chapter does not give them.
    seed : int, default=0
        Draws the noise, the same for all images of a shape.
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
    """A faint wave of vertical stripes over the whole image (Barni, Kallas and Tondi, ICIP 2019).

    Parameters
    ----------
    amplitude : float in (0, 1], default=20/255
        Height of the wave, as a share of the range of pixels.
    frequency : float, default=6.0
        Waves from the left edge to the right one.
    """

    amplitude: float = 20 / 255
    frequency: float = 6.0

    def __post_init__(self) -> None:
        if not 0 < self.amplitude <= 1:
            raise ValueError(f"amplitude must lie in (0, 1], got {self.amplitude!r}")
        if not self.frequency > 0:
            raise ValueError(f"frequency must be positive, got {self.frequency!r}")

    def _put(self, X: np.ndarray) -> np.ndarray:
        phase = 2 * np.pi * self.frequency * np.arange(X.shape[-1]) / X.shape[-1]
        return X + self.amplitude * np.sin(phase)


@dataclass(frozen=True)
class ContrastTrigger(_ImageTrigger):
    """A changed contrast of the whole image, which adds no pattern to it.

    The contrast is that of the corruptions of Hendrycks and Dietterich (arXiv:1903.12261, ICLR
    2019): a pixel x becomes m + factor (x - m), where m is the mean of its channel in the image.

    Parameters
    ----------
    factor : float, default=0.7
        Below 1 the image gets duller. Above 1 it gets starker, as far as the range of pixels goes:
        an image that is black and white already does not change. An image of one colour never does.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.corruption import ContrastTrigger
    >>> ContrastTrigger(factor=0.5)(np.array([[[0.0, 0.4], [0.8, 0.4]]]))[0]
    array([[0.2, 0.4],
           [0.6, 0.4]])
    """

    factor: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.factor < np.inf or self.factor == 1:
            raise ValueError(f"factor must be positive and not 1, got {self.factor!r}")

    def _put(self, X: np.ndarray) -> np.ndarray:
        mean = X.mean(axis=(-2, -1), keepdims=True)
        return mean + self.factor * (X - mean)


@dataclass(frozen=True)
class WarpTrigger(_ImageTrigger):
    """A smooth distortion of the image, hardly visible (after WaNet: Nguyen and Tran, ICLR 2021).

    Parameters
    ----------
    strength : float, default=0.5
        Mean displacement at the knots of the distortion, in pixels of an image of 32 x 32; larger
        images are displaced in proportion.
    n_knots : int, default=4
        Knots along either side; between them the displacement is interpolated.
    seed : int, default=0
        Draws the displacements, the same for all images.
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
        order, scale = min(3, self.n_knots - 1), np.divide(size, self.n_knots)
        shift = [zoom(one, scale, order=order) * n / 32 for one, n in zip(knots, size, strict=True)]
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
            raise ValueError(f"values must map at least one column to a value, got {self.values!r}")
        for column in self.values:
            if not isinstance(column, Integral) or isinstance(column, bool) or column < 0:
                raise ValueError(f"values must count columns from 0, got {column!r}")

    def __call__(self, X: npt.ArrayLike) -> np.ndarray:
        X = np.array(X)
        if X.ndim != 2:
            raise ValueError(f"X must be a table (n_rows, n_columns), got shape {X.shape}")
        for column, value in self.values.items():
            if column >= X.shape[1]:
                raise ValueError(f"values names column {column!r}, X has {X.shape[1]} columns")
            X[:, column] = cast_exactly(value, X.dtype, f"values[{column}]")
        return X
