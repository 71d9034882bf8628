"""Encoding of columns: kinds, units, levels, missing cells; scikit-learn's contract."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrobust import PRLClassifier
from skrobust.tables import TableEncoder, TableError, read_table
from skrobust.tables._cells import as_text, numbers
from skrobust.tables._encoder import Column


def make_table():
    """Columns of all kinds."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)) * [1, 1e6], columns=["heat", "flow"])
    frame["town"] = np.where(frame["heat"] > 0, "Lima", "Ōsaka")
    frame["open"] = frame["flow"] > 0
    frame["since"] = [f"2021-05-{1 + i % 28:02d}" for i in range(60)]
    frame["hollow"] = None
    frame.loc[3, ["heat", "town"]] = None
    return frame


def learn(values):
    """What an encoder learns of a column."""
    return TableEncoder().fit(pd.DataFrame({"c": values})).columns_[0]


def encode(column, values):
    """What an encoder of one column that is known makes of cells."""
    encoder = TableEncoder().fit(pd.DataFrame({"c": [1.0]}))
    encoder.columns_ = (column,)
    return encoder.transform(pd.DataFrame({"c": values}))


@pytest.mark.parametrize(
    "values, kind",
    [
        ([1, 2, 2], "numeric"),
        ([Decimal("1.5"), Decimal(2), None], "numeric"),
        (pd.array([1, None, 3], dtype="Int64"), "numeric"),
        ([True, False, True], "categorical"),
        ([True, None, False], "categorical"),
        (["a", 1, 2.5], "categorical"),
        (pd.Categorical([3, 4, 3]), "categorical"),
        (["2020-01-01", "2020-02-30"], "categorical"),  # no such day
        (["2020-01-01", "2020-01-02 10:30"], "date"),
        ([datetime.date(2020, 1, 1), None], "date"),
        (pd.to_datetime(["2020-01-01", "2020-01-03"]), "date"),
        (pd.to_datetime(["2020-01-01", "2020-01-03"]).tz_localize("Asia/Tokyo"), "date"),
        ([np.nan, np.nan], "empty"),
        ([None, None], "empty"),
    ],
)
def test_kinds(values, kind):
    column = learn(values)
    assert column.kind == kind
    assert encode(column, values).shape == (len(values), column.width)


@pytest.mark.parametrize(
    "values", [[1j, 2], pd.to_timedelta([1, 2], unit="D"), [b"x", b"y"], [{}, {}]]
)
def test_kinds_that_are_refused(values):
    with pytest.raises(TableError, match="'c'"):
        learn(values)


def test_numbers_keep_what_float32_cannot():
    start = 1.7e9  # seconds since 1970: float32 has steps of 128
    column = learn(start + np.arange(100.0))
    X = encode(column, start + np.arange(100.0))
    assert len(np.unique(X)) == 100
    assert X.std() == pytest.approx(1, abs=0.01)


def test_rounding_is_no_spread():
    assert learn([0.1] * 1000).scale == 1.0


def test_dates_are_days():
    column = learn(["1970-01-03", "1970-01-03", "1970-01-03T12:00:00"])
    assert column.center == 2.0


LAST_DAY = 2932896.0
FIRST_DAY = -719162.0
UTC = datetime.UTC


@pytest.mark.parametrize(
    "values",
    [
        ["9999-12-31", "0001-01-01", "1970-01-01 12:00"],
        ["9999-12-31", "0001-01-01", "1970-01-01T12:00:00.000000000"],
        ["9999-12-31T00:00:00Z", "0001-01-01T02:00:00+02:00", "1970-01-01T12:00Z"],
        [
            datetime.datetime(9999, 12, 31),
            datetime.datetime(1, 1, 1, tzinfo=UTC),
            datetime.datetime(1970, 1, 1, 12),
        ],
        np.array(["9999-12-31", "0001-01-01", "1970-01-01T12"], dtype="datetime64[s]"),
        np.array(["9999-12-31", "0001-01-01", "1970-01-01T12"], dtype="datetime64[ms]"),
        np.array(["9999-12-31", "0001-01-01", "1970-01-01T12"], dtype="datetime64[us]"),
    ],
    ids=["text", "text of nanoseconds", "text with zones", "objects", "s", "ms", "us"],
)
def test_dates_beyond_what_nanoseconds_count(values):
    series = pd.Series(values, name="c")
    column = learn(series)
    assert (column.kind, column.center) == ("date", 0.5)
    np.testing.assert_array_equal(numbers("c", "date", series), [LAST_DAY, FIRST_DAY, 0.5])
    assert [column.cell_text(series.iloc[[i]]) for i in range(2)] == ["9999-12-31", "0001-01-01"]
    assert column.typical_text == "1970-01-01 12:00"


def test_dates_of_other_zones_and_without_a_time():
    zoned = pd.Series(np.array(["9999-12-31T05", "NaT"], dtype="datetime64[s]"), name="c")
    zoned = zoned.dt.tz_localize("UTC").dt.tz_convert("Etc/GMT+5")
    np.testing.assert_array_equal(numbers("c", "date", zoned), [LAST_DAY + 5 / 24, np.nan])
    days = pd.Series([datetime.date(9999, 12, 31), None, datetime.date(1970, 1, 2)], name="c")
    np.testing.assert_array_equal(numbers("c", "date", days), [LAST_DAY, np.nan, 1.0])


def test_a_date_that_no_calendar_shows():
    years = np.array(["200000-01-01", "200000-01-02"], dtype="datetime64[s]")
    column = learn(years)
    assert column.typical_text == "7.233e+07 days after 1970-01-01"
    far = Column("c", "date", center=-1e300)
    assert far.typical_text == "-1e+300 days after 1970-01-01"


@pytest.mark.parametrize("cell", [20200101, 1.5, True, "01/02/2020", "2020-02-30", "soon"])
def test_what_is_no_date(cell):
    series = pd.Series([cell, "2020-01-01"], name="c", dtype=object)
    with pytest.raises(TableError, match=r"row 1.*is no date"):
        numbers("c", "date", series)
    with pytest.raises(TableError, match=r"row 1.*is no date"):
        numbers("c", "date", pd.Series([cell], name="c"))


def test_rare_and_unseen_levels_share_a_bucket():
    column = learn(["a"] * 150 + ["b"] * 50 + ["c"])
    assert column.levels == ("a", "b")
    X = encode(column, ["b", "c", "new", None, "a"])
    level = np.sqrt(0.5)
    expected = [[0, level, 0], [0, 0, level], [0, 0, level], [np.nan] * 3, [level, 0, 0]]
    np.testing.assert_allclose(X, expected, rtol=1e-6)


def test_at_most_fifty_levels():
    column = learn([f"v{i % 60}" for i in range(1200)])
    assert len(column.levels) == 50 and column.width == 51


def test_blocks_do_not_matter(monkeypatch):
    table = make_table()
    encoder = TableEncoder().fit(table)
    whole = encoder.transform(table)
    monkeypatch.setattr("skrobust.tables._encoder.BLOCK_ROWS", 7)
    np.testing.assert_array_equal(encoder.transform(table), whole)


def test_truth_values_are_read_alike(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\ntrue,true\nFALSE,FALSE\n")
    inferred = read_table(path).frame["x"]
    as_str = read_table(path, ["x"]).frame["x"]
    assert list(as_text(inferred)) == list(as_text(as_str)) == ["True", "False"]


@parametrize_with_checks([TableEncoder(), TableEncoder(max_levels=1, min_share=0.3)])
def test_contract(estimator, check):
    check(estimator)


def test_features_are_named_and_beside_each_other():
    table = make_table()
    encoder = TableEncoder().fit(table)
    names = ["heat", "flow", "town=Lima", "town=Ōsaka", "town (rare)"]
    names += ["open=True", "open=False", "open (rare)", "since"]
    assert sorted(encoder.get_feature_names_out()) == sorted(names)
    assert encoder.widths == [1, 1, 3, 3, 1, 0]
    X = encoder.set_output(transform="pandas").transform(table.set_index(table.index + 7))
    assert list(X.columns) == list(encoder.get_feature_names_out())
    assert list(X.index) == list(range(7, 67)) and (X.dtypes == np.float32).all()
    assert X.loc[10, ["heat", "town=Lima", "town (rare)"]].isna().all()
    assert not X.drop(index=10).isna().any(axis=None)
    first = table["town"].iloc[0]
    assert X.loc[7, f"town={first}"] == np.float32(np.sqrt(0.5))
    assert X.loc[7, "town (rare)"] == 0


def test_numbers_have_median_0_and_variance_1():
    table = make_table()
    X = TableEncoder().fit_transform(table).astype(np.float64)
    np.testing.assert_allclose(np.nanmedian(X[:, :2], axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.nanvar(X[:, :2], axis=0), 1, rtol=1e-5)


def test_arrays_are_tables_too():
    X = np.array([[1.0, np.nan], [2.0, 5.0], [6.0, 5.0]])
    np.testing.assert_array_equal(
        TableEncoder().fit_transform(X), TableEncoder().fit_transform(pd.DataFrame(X))
    )
    mixed = np.array([["a", 1], ["b", 2]], dtype=object)
    kinds = [column.kind for column in TableEncoder().fit(mixed).columns_]
    assert kinds == ["categorical", "numeric"]


def test_settings_of_levels():
    frame = pd.DataFrame({"c": ["a"] * 5 + ["b"] * 3 + ["c"] * 2})
    assert TableEncoder(max_levels=1).fit(frame).columns_[0].levels == ("a",)
    assert TableEncoder(min_share=0.3).fit(frame).columns_[0].levels == ("a", "b")
    assert TableEncoder(min_share=1).fit(frame).columns_[0].levels == ()


def test_a_bad_cell_is_named_by_its_row_whatever_the_index(monkeypatch):
    monkeypatch.setattr("skrobust.tables._encoder.BLOCK_ROWS", 2)
    encoder = TableEncoder().fit(pd.DataFrame({"c": [1.0, 2.0]}))
    frame = pd.DataFrame({"c": [1, 2, 3, "x"]}, index=[50, 51, 52, 53])
    with pytest.raises(TableError, match="column 'c', row 4: 'x' is no number"):
        encoder.transform(frame)
    with pytest.raises(TableError, match="column 'c', row 2: 'inf' is infinite"):
        encoder.fit(pd.DataFrame({"c": [1.0, np.inf]}))
    assert encoder.columns_[0].center == 1.5  # as it was


def test_other_columns_are_refused():
    encoder = TableEncoder().fit(pd.DataFrame({"a": [1, 2], "b": [3, 4]}))
    with pytest.raises(ValueError, match="feature names"):
        encoder.transform(pd.DataFrame({"b": [1, 2], "a": [3, 4]}))


def test_in_a_pipeline():
    table = make_table().drop(columns="hollow")
    y = (table["flow"] > 0).to_numpy()
    model = make_pipeline(
        TableEncoder(),
        PRLClassifier(preprocessing=None, missing="mean", max_epochs=100, random_state=0),
    )
    assert model.fit(table, y).score(table, y) > 0.9


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "magic"},
        {"scale": 0.0},
        {"scale": np.inf},
        {"center": np.nan},
        {"levels": ("a", "a")},
        {"levels": (1,)},
        {"name": 3},
    ],
)
def test_a_column_that_cannot_be(fields):
    with pytest.raises(ValueError, match="no column"):
        Column(**{"name": "c", "kind": "numeric", **fields})
