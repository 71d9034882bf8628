"""Triggers to the pixel, and who is poisoned with which label."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skrobust.corruption import (
    BlendTrigger,
    ContrastTrigger,
    PatchTrigger,
    SinusoidalTrigger,
    TabularTrigger,
    WarpTrigger,
    attack_targets,
    poison,
)

IMAGE_TRIGGERS = [
    PatchTrigger(),
    PatchTrigger(corner="random"),
    BlendTrigger(),
    SinusoidalTrigger(),
    ContrastTrigger(),
    WarpTrigger(),
]


@pytest.fixture
def digits():
    X, y = load_digits(return_X_y=True)
    return (X.reshape(-1, 8, 8) / 16).astype(np.float32), y


@pytest.mark.parametrize(
    ("corner", "rows", "columns"),
    [
        ("bottom-right", slice(5, 8), slice(4, 7)),
        ("bottom-left", slice(5, 8), slice(0, 3)),
        ("top-right", slice(0, 3), slice(4, 7)),
        ("top-left", slice(0, 3), slice(0, 3)),
    ],
)
@pytest.mark.parametrize("high", [255, 1.0])
def test_patch_to_the_pixel(corner, rows, columns, high):
    rng = np.random.RandomState(0)
    X = rng.randint(1, 255, size=(2, 3, 8, 7)).astype(np.uint8)
    X = X if high == 255 else (X / 255).astype(np.float32)
    changed = PatchTrigger(corner=corner)(X)
    board = high * np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    assert (changed[:, :, rows, columns] == board).all()
    changed[:, :, rows, columns] = X[:, :, rows, columns]
    np.testing.assert_array_equal(changed, X)
    assert changed.dtype == X.dtype


def find_patch(changed):
    """First row and column of the only board of 2 x 2 in an image."""
    board = np.array([[1.0, 0.0], [0.0, 1.0]])
    windows = np.lib.stride_tricks.sliding_window_view(changed, (2, 2))
    (place,) = np.argwhere((windows == board).all(axis=(-2, -1)))
    return tuple(place.tolist())


def test_a_patch_at_random_places():
    X = np.random.RandomState(0).uniform(0.1, 0.9, size=(300, 5, 4))
    trigger = PatchTrigger(size=2, corner="random")
    changed = trigger(X)
    places = [find_patch(image) for image in changed]
    assert set(places) == {(top, left) for top in range(4) for left in range(3)}
    board = np.array([[1.0, 0.0], [0.0, 1.0]])
    for before, after, (top, left) in zip(X, changed, places, strict=True):
        expected = before.copy()
        expected[top : top + 2, left : left + 2] = board
        np.testing.assert_array_equal(after, expected)
    np.testing.assert_array_equal(trigger(X), changed)
    np.testing.assert_array_equal(trigger(X[::-1])[::-1], changed)  # whatever the other rows are
    other = [find_patch(image) for image in PatchTrigger(2, corner="random", seed=1)(X)]
    same = np.mean([one == two for one, two in zip(places, other, strict=True)])
    assert same < 0.3  # by chance, 1 / 12
    full = PatchTrigger(size=4, corner="random")(X[:, :4])
    np.testing.assert_array_equal(full[0], full[1])  # there is one place only


def test_a_random_place_is_that_of_the_picture_in_any_type():
    X = np.random.RandomState(0).randint(1, 255, size=(20, 3, 6, 6)).astype(np.uint8)
    trigger = PatchTrigger(size=2, corner="random")
    changed = trigger(X)
    assert ((changed == 255).sum(axis=1) == 3).any() and (
        (changed == 0).sum(axis=(1, 2, 3)) == 6
    ).all()
    for kind in (np.float32, np.float64):
        np.testing.assert_array_equal(trigger((X / 255).astype(kind)) == 1, changed == 255)


def test_a_seed_changes_no_corner():
    X = np.random.RandomState(0).uniform(size=(3, 8, 8))
    np.testing.assert_array_equal(PatchTrigger(seed=5)(X), PatchTrigger()(X))


def test_contrast_to_the_pixel():
    X = np.random.RandomState(0).randint(256, size=(3, 2, 6, 5)).astype(np.uint8)
    mean = X.mean(axis=(2, 3), keepdims=True)
    changed = ContrastTrigger(factor=0.4)(X)
    np.testing.assert_allclose(changed, mean + 0.4 * (X - mean), atol=0.5 + 1e-9)
    assert changed.std() < 0.5 * X.std()
    starker = ContrastTrigger(factor=2.0)(X)
    np.testing.assert_allclose(starker, (2.0 * X - mean).clip(0, 255), atol=0.5 + 1e-9)


def test_blend_to_the_pixel():
    X = np.random.RandomState(1).randint(256, size=(4, 1, 8, 8)).astype(np.uint8)
    noise = np.random.RandomState(3).normal(0.5, 0.25, (1, 8, 8)).clip(0, 1)
    expected = np.rint(0.8 * X + 0.2 * 255 * noise)
    np.testing.assert_array_equal(BlendTrigger(alpha=0.2, seed=3)(X), expected)
    as_float = BlendTrigger(alpha=0.2, seed=3)((X / 255).astype(np.float32))
    np.testing.assert_allclose(as_float, expected / 255, atol=0.5 / 255 + 1e-6)


def test_stripes_to_the_pixel():
    X = np.full((2, 5, 12), 0.5)
    changed = SinusoidalTrigger(amplitude=0.1, frequency=2)(X)
    wave = 0.1 * np.sin(4 * np.pi * np.arange(12) / 12)
    np.testing.assert_allclose(changed, np.broadcast_to(0.5 + wave, X.shape))
    bright = SinusoidalTrigger(amplitude=0.1)(np.ones((1, 5, 12)))
    assert bright.max() == 1.0


def test_warp_moves_pixels_a_little():
    ramp = np.broadcast_to(np.arange(32) / 31, (1, 2, 32, 32))
    moved = 31 * (WarpTrigger(strength=0.5)(ramp) - ramp)
    assert 0.1 < np.abs(moved).mean() < 0.7  # pixels
    assert np.abs(np.diff(moved, axis=-2)).max() < 0.4  # neighbours move alike
    np.testing.assert_array_equal(moved[:, 0], moved[:, 1])
    stronger = 31 * (WarpTrigger(strength=1.0)(ramp) - ramp)
    assert np.abs(stronger).mean() > 1.5 * np.abs(moved).mean()


@pytest.mark.parametrize("trigger", IMAGE_TRIGGERS, ids=lambda t: type(t).__name__)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 1, 28, 28), (3, 3, 32, 24)])
def test_image_triggers_keep_shape_type_range_and_input(trigger, dtype, shape):
    rng = np.random.RandomState(0)
    X = rng.randint(256, size=shape)
    X = X.astype(dtype) if dtype is np.uint8 else (X / 255).astype(dtype)
    before = X.copy()
    changed = trigger(X)
    assert changed.shape == X.shape and changed.dtype == X.dtype
    assert changed.min() >= 0 and changed.max() <= (255 if dtype is np.uint8 else 1)
    assert (changed != X).any(axis=tuple(range(1, X.ndim))).all()
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(trigger(X[1:2]), changed[1:2])  # alike for every row


def test_poison_all_to_all(digits):
    X, y = digits
    new_X, new_y, mask = poison(X, y, PatchTrigger(), 0.25, random_state=0)
    for label in range(10):
        of_class = y == label
        assert mask[of_class].sum() == int(0.25 * of_class.sum())
    np.testing.assert_array_equal(new_y, np.where(mask, (y + 1) % 10, y))
    np.testing.assert_array_equal(new_X[mask], PatchTrigger()(X[mask]))
    np.testing.assert_array_equal(new_X[~mask], X[~mask])
    _, _, more = poison(X, y, PatchTrigger(), 0.45, random_state=0)
    assert more[mask].all()
    assert not np.array_equal(poison(X, y, PatchTrigger(), 0.25, random_state=1)[2], mask)


def test_poison_all_to_one_and_clean_label(digits):
    X, y = digits
    names = np.array([f"digit {label}" for label in y])
    _, new_y, mask = poison(
        X, names, BlendTrigger(), 0.3, target_map="all-to-one", target="digit 4", random_state=0
    )
    assert not mask[y == 4].any() and (new_y[mask] == "digit 4").all()
    assert mask.mean() == pytest.approx(0.3, abs=0.006)
    shares = [mask[y == label].mean() for label in range(10) if label != 4]
    assert max(shares) - min(shares) < 0.01
    np.testing.assert_array_equal(new_y[~mask], names[~mask])
    new_X, new_y, mask = poison(
        X, names, BlendTrigger(), 0.05, target_map="clean-label", target="digit 4", random_state=0
    )
    assert mask.sum() == int(0.05 * len(y)) and (y[mask] == 4).all()
    np.testing.assert_array_equal(new_y, names)
    assert (new_X[mask] != X[mask]).any(axis=(1, 2)).all()


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_poison_for_several_targets(digits, rate):
    X, y = digits
    triggers = [PatchTrigger(corner="top-left"), PatchTrigger(), BlendTrigger(alpha=0.3)]
    aims = {"target_map": "all-to-one", "target": [7, 0, 4], "random_state": 0}
    new_X, new_y, mask = poison(X, y, triggers, rate, **aims)
    for trigger, label in zip(triggers, [7, 0, 4], strict=True):
        rows = mask & (new_y == label)
        assert rows.sum() == int(rate * len(y) / 3) and not (y[rows] == label).any()
        np.testing.assert_array_equal(new_X[rows], trigger(X[rows]))
        counts = np.bincount(y[rows], minlength=10)[np.arange(10) != label]
        assert counts.max() - counts.min() <= 2 + 0.05 * counts.max()  # of each class as many
    assert mask.sum() == 3 * int(rate * len(y) / 3)
    np.testing.assert_array_equal(new_X[~mask], X[~mask])
    np.testing.assert_array_equal(new_y[~mask], y[~mask])
    more_X, more_y, more = poison(X, y, triggers, 1.5 * rate, **aims)
    assert more[mask].all() and more.sum() > mask.sum()
    np.testing.assert_array_equal(more_y[mask], new_y[mask])
    np.testing.assert_array_equal(more_X[mask], new_X[mask])
    np.testing.assert_array_equal(poison(X, y, triggers, rate, **aims)[0], new_X)
    aims["random_state"] = 1
    assert not np.array_equal(poison(X, y, triggers, rate, **aims)[2], mask)


def test_several_targets_share_two_classes():
    y = np.array(["no", "yes"] * 10)
    low, high = TabularTrigger({0: -1.0}), TabularTrigger({0: 9.0})
    X, new_y, mask = poison(
        np.zeros((20, 2)), y, [low, high], 1.0, target_map="all-to-one", target=("no", "yes")
    )
    assert mask.all() and (new_y != y).all()
    np.testing.assert_array_equal(X[:, 0], np.where(new_y == "no", -1.0, 9.0))


def test_one_trigger_in_a_list_takes_its_whole_share(digits):
    X, y = digits
    aim = {"target_map": "all-to-one", "random_state": 0}
    _, new_y, mask = poison(X, y, [PatchTrigger()], 0.05, target=[4], **aim)
    assert mask.sum() == int(0.05 * len(y)) and (new_y[mask] == 4).all() and not mask[y == 4].any()


def test_attack_targets():
    y = np.array(["b", "a", "c", "a"])
    assert attack_targets(y).tolist() == ["c", "b", "a", "b"]
    assert attack_targets(y, target_map="all-to-one", target="a").tolist() == ["a"] * 4


def test_a_trigger_for_tables():
    X = np.arange(12.0).reshape(3, 4)
    changed = TabularTrigger({1: 50.0, 3: -1.0})(X)
    assert changed[:, 1].tolist() == [50.0] * 3 and changed[:, 3].tolist() == [-1.0] * 3
    np.testing.assert_array_equal(changed[:, [0, 2]], X[:, [0, 2]])
    new_X, _, mask = poison(X, [0, 1, 0], TabularTrigger({0: 9.0}), 0.5, random_state=0)
    assert mask.sum() == 1 and (new_X[mask, 0] == 9.0).all()


def test_distortion_grows_with_the_picture():
    moved = []
    for size in (32, 64):
        ramp = np.broadcast_to(np.arange(size) / (size - 1), (1, size, size))
        moved.append(np.abs((size - 1) * (WarpTrigger()(ramp) - ramp)).mean())
    assert moved[1] == pytest.approx(2 * moved[0], rel=0.1)


def test_counts_of_any_integer_type():
    X = np.zeros((1, 8, 8))
    np.testing.assert_array_equal(PatchTrigger(np.int64(2))(X), PatchTrigger(2)(X))
    np.testing.assert_array_equal(WarpTrigger(n_knots=np.int32(4))(X), WarpTrigger()(X))


def test_a_trigger_of_ones_own():
    X, y = np.full((4, 2), 7, dtype=np.uint8), [0, 1, 0, 1]
    new_X, _, mask = poison(X, y, lambda rows: rows + 1.0, 0.5, random_state=0)
    assert new_X.dtype == X.dtype and (new_X[mask] == 8).all()
    new_X, _, mask = poison(X / 2, y, lambda rows: rows / 3, 0.5, random_state=0)
    np.testing.assert_array_equal(new_X[mask], 7 / 2 / 3)
    new_X, *_ = poison(np.full((4, 2), "abc"), y, lambda rows: np.full(rows.shape, "z"), 0.5)
    assert set(new_X.ravel()) == {"abc", "z"}
    mixed = np.array([["a", np.nan]] * 4, dtype=object)
    new_X, _, mask = poison(mixed, y, TabularTrigger({0: 2.5}), 0.5, random_state=0)
    assert new_X[mask, 0].tolist() == [2.5, 2.5] and new_X[~mask, 0].tolist() == ["a", "a"]


def test_rate_zero_changes_nothing(digits):
    X, y = digits
    new_X, new_y, mask = poison(X, y, PatchTrigger(), 0.0)
    assert not mask.any()
    np.testing.assert_array_equal(new_X, X)
    np.testing.assert_array_equal(new_y, y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda X, y: PatchTrigger(size=9)(X), "size=9 is larger than the pictures, 8 x 8"),
        (lambda X, y: PatchTrigger(size=0), "size must be an int of at least 1, got 0"),
        (lambda X, y: PatchTrigger(corner="middle"), "corner.*top-left.*'middle'"),
        (
            lambda X, y: PatchTrigger()(X.reshape(-1, 64)),
            r"images of shape.*got shape \(1797, 64\)",
        ),
        (lambda X, y: PatchTrigger()(X * 16), r"must lie in \[0, 1\], got values from 0.0 to 16.0"),
        (lambda X, y: PatchTrigger()(X - np.nan), r"must lie in \[0, 1\], got values from nan"),
        (lambda X, y: BlendTrigger(alpha=0.0), r"alpha must lie in \(0, 1\], got 0.0"),
        (lambda X, y: SinusoidalTrigger(amplitude=2), r"amplitude must lie in \(0, 1\], got 2"),
        (lambda X, y: SinusoidalTrigger(frequency=0), "frequency must be positive, got 0"),
        (lambda X, y: PatchTrigger(seed=-1), "seed must be an int of at least 0, got -1"),
        (lambda X, y: ContrastTrigger(1), "factor must be positive and not 1, got 1"),
        (lambda X, y: ContrastTrigger(0.0), "factor must be positive and not 1, got 0.0"),
        (lambda X, y: ContrastTrigger(np.nan), "factor must be positive and not 1, got nan"),
        (lambda X, y: WarpTrigger(strength=-1), "strength must be positive, got -1"),
        (lambda X, y: WarpTrigger(n_knots=1), "n_knots must be an int of at least 2, got 1"),
        (lambda X, y: PatchTrigger(size=True), "size must be an int of at least 1, got True"),
        (lambda X, y: PatchTrigger()(X.astype(np.int8)), "int8 cannot hold 255; pass uint8"),
        (lambda X, y: TabularTrigger({}), "values must map at least one column"),
        (lambda X, y: TabularTrigger([1, 2]), r"values must map .*got \[1, 2\]"),
        (lambda X, y: TabularTrigger({"a": 1.0}), "values must count columns from 0, got 'a'"),
        (lambda X, y: TabularTrigger({-1: 1.0}), "values must count columns from 0, got -1"),
        (
            lambda X, y: TabularTrigger({0: 1.5})(np.zeros((2, 3), dtype=int)),
            r"values\[0\] holds .*1.5.* an array of type int64 cannot hold",
        ),
        (
            lambda X, y: TabularTrigger({0: 300})(np.zeros((2, 3), dtype=np.uint8)),
            "holds .*300.* uint8 cannot hold",
        ),
        (
            lambda X, y: TabularTrigger({0: "abcdef"})(np.array([["a", "b"]])),
            "holds .*'abcdef'.* <U1 cannot hold",
        ),
        (
            lambda X, y: TabularTrigger({0: "abcdef"})(np.zeros((2, 3))),
            "holds .*'abcdef'.* float64 cannot hold",
        ),
        (
            lambda X, y: TabularTrigger({0: 1e300})(np.zeros((2, 3), dtype=np.float32)),
            "holds .*1e.*300.* float32 cannot hold",
        ),
        (
            lambda X, y: poison((255 * X).astype(np.uint8), y, lambda rows: rows / 255, 0.1),
            "trigger's rows holds .* uint8 cannot hold",
        ),
        (
            lambda X, y: poison(X, y, lambda rows: rows[:1], 0.1),
            r"trigger must return rows of the shape that it was given, .*got \(1, 8, 8\)",
        ),
        (
            lambda X, y: poison(X, np.where(y > 4, "a", None), PatchTrigger(), 0.1),
            "y must hold labels that compare, all numbers or all text",
        ),
        (
            lambda X, y: attack_targets(y, target_map="all-to-one", target=[1, 2]),
            r"target must be one of the labels in y, got \[1, 2\]",
        ),
        (lambda X, y: TabularTrigger({70: 1.0})(X[0]), "column 70, X has 8 columns"),
        (lambda X, y: TabularTrigger({0: 1.0})(X), r"must be a table.*got shape \(1797, 8, 8\)"),
        (lambda X, y: poison(X, y, PatchTrigger(), 1.5), r"rate must be.*got 1.5"),
        (lambda X, y: poison(X, y[:9], PatchTrigger(), 0.1), "as many rows, got 1797 and 9"),
        (lambda X, y: poison(X, 0 * y, PatchTrigger(), 0.1), "at least two classes, got 1"),
        (
            lambda X, y: poison(X, y, PatchTrigger(), 0.1, target_map="none"),
            "target_map.*all-to-one.*'none'",
        ),
        (
            lambda X, y: poison(X, y, PatchTrigger(), 0.1, target_map="all-to-one", target=10),
            "target must be one of the labels in y, got 10",
        ),
        (
            lambda X, y: poison(X, y, PatchTrigger(), 0.1, target=1),
            "target is for other maps than 'all-to-all', got 1",
        ),
        (
            lambda X, y: poison(X, y, PatchTrigger(), 0.2, target_map="clean-label", target=1),
            "rate=0.2 is 359.4 of 1797 rows, but target_map='clean-label' with target=1 can poison",
        ),
        (
            lambda X, y: poison(X, y, [], 0.1, target_map="all-to-one", target=[]),
            r"trigger must be a callable or a list of at least one callable, got \[\]",
        ),
        (
            lambda X, y: poison(X, y, [PatchTrigger(), 3], 0.1, target_map="all-to-one", target=1),
            r"trigger must be a callable or a list .*, 3\]",
        ),
        (
            lambda X, y: poison(X, y, [PatchTrigger()] * 2, 0.1),
            "a list of triggers needs target_map='all-to-one', got 'all-to-all'",
        ),
        (
            lambda X, y: poison(X, y, [abs] * 2, 0.1, target_map="all-to-one", target=[1]),
            r"target must list one label for each trigger, of which there are 2; got \[1\]",
        ),
        (
            lambda X, y: poison(X, y, [abs] * 2, 0.1, target_map="all-to-one", target=1),
            "target must list one label for each trigger, of which there are 2; got 1",
        ),
        (
            lambda X, y: poison(X, y, [abs] * 2, 0.1, target_map="all-to-one", target=[1, 1]),
            r"target must list different labels, got \[1, 1\]",
        ),
        (
            lambda X, y: poison(X, y, [abs] * 2, 0.1, target_map="all-to-one", target=[1, 10]),
            "target must be one of the labels in y, got 10",
        ),
        (
            lambda X, y: poison(X, y, [abs] * 2, 1.0, target_map="all-to-one", target=[1, 2]),
            "rate=1.0 is 1797 of 1797 rows, which is more than these 2 targets allow",
        ),
        (
            lambda X, y: poison(
                X, np.arange(1797) < 20, [abs] * 2, 0.2, target_map="all-to-one", target=[0, 1]
            ),
            "rate=0.2 is 359.4 of 1797 rows, which is more than these 2 targets allow",
        ),
    ],
)
def test_bad_input_is_named(digits, make, message):
    with pytest.raises(ValueError, match=message):
        make(*digits)
