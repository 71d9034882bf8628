"""The benchmark of anomaly detectors: fits, failures, ranks, tables, the picture."""

import time

import numpy as np
import pandas as pd
import pytest

from benchmarks._results import Cell
from benchmarks.field import _peers, _ranks, detect_adbench
from benchmarks.field._peers import PEERS, fit_and_score, make_peer
from benchmarks.thesis import readme

N_ROWS = 400
N_DRAWN = 300


class Stub:
    """Scores rows by their first column; remembers what the last of them was told."""

    fits: list = []

    def __init__(self, contamination=0.1, random_state=None, device="cpu"):
        self.contamination = contamination

    def fit(self, X):
        type(self).fits.append((self.contamination, X))
        is_auto = self.contamination == "auto"
        self.contamination_ = 0.2 if is_auto else self.contamination
        if is_auto:
            self.contamination_interval_ = (0.1, 0.3)
        return self

    def decision_function(self, X):
        return X[:, 0]


@pytest.fixture
def planted(monkeypatch):
    """One in ten of the rows is high in the first column; the second is wide noise."""
    rng = np.random.RandomState(0)
    y = (rng.uniform(size=N_ROWS) < 0.1).astype(int)
    X = rng.normal(size=(N_ROWS, 2)) * [1, 1e6]
    X[:, 0] += 12 * y
    for fetch in ("fetch_odds", "fetch_adbench"):
        monkeypatch.setattr(detect_adbench, fetch, lambda name, return_X_y: (X, y))
    monkeypatch.setattr(detect_adbench, "MOST_ROWS", N_DRAWN)
    monkeypatch.setattr(detect_adbench, "OURS", {"RCADetector": Stub})
    Stub.fits = []
    forget()
    yield X, y
    forget()


def forget():
    detect_adbench._load.cache_clear()
    detect_adbench._train.cache_clear()


def test_cells():
    listed = detect_adbench.cells(2)
    n_ours, n_peers = len(detect_adbench.OURS), len(PEERS)
    assert len({cell.set for cell in listed}) == 30
    assert len(listed) == 2 * 30 * (3 * n_ours + n_peers) and n_peers == 16
    assert {cell.method for cell in listed if cell.setting == "any rate"} == set(PEERS)


def test_our_rates_and_the_shared_fit(planted):
    X, y = planted
    kept = np.random.RandomState(0).permutation(N_ROWS)[:N_DRAWN]
    rate = round(y[kept].mean(), 6)
    found = {
        setting: detect_adbench.measure(Cell("odds/glass", "RCADetector", setting, 3))
        for setting in ("true rate", "auto", "0.1")
    }
    (told, rows), (auto, _) = Stub.fits  # none for "0.1"
    assert round(told, 6) == rate and auto == "auto"
    order = np.random.RandomState(3).permutation(N_DRAWN)
    np.testing.assert_array_equal(rows, X[kept][order[: int(0.6 * N_DRAWN)]])
    for values in found.values():
        assert list(values) == detect_adbench.VALUES
        assert values["auc"] == values["ap"] == 1 and values["failed"] == 0
        assert values["true_rate"] == rate and values["n_rows"] == N_ROWS
    rates = [found[setting]["rate"] for setting in found]
    assert rates == [rate, 0.2, 0.1]
    assert (found["auto"]["low"], found["auto"]["high"]) == (0.1, 0.3)
    assert np.isnan(found["0.1"]["low"]) and np.isnan(found["true rate"]["high"])
    assert found["0.1"]["fit_seconds"] == found["auto"]["fit_seconds"]


def test_doubts_are_kept(planted, monkeypatch):
    class Doubtful(Stub):
        def fit(self, X):
            with pytest.warns(UserWarning, match="on"):  # others' filters are not ours
                _peers.warnings.warn("is of use on its own", stacklevel=1)
            _peers.warnings.warn("the rate cannot be relied on", stacklevel=1)
            return super().fit(X)

    monkeypatch.setattr(detect_adbench, "OURS", {"RCADetector": Doubtful})
    found = detect_adbench.measure(Cell("odds/glass", "RCADetector", "auto", 0))
    assert found["doubted"] == 1
    assert detect_adbench.measure(Cell("odds/glass", "RCADetector", "0.1", 0))["doubted"] == 0


@pytest.mark.filterwarnings("ignore:.*cannot be relied on")
def test_auto_trains_as_a_tenth_does():
    X = np.random.RandomState(0).normal(size=(60, 3))
    shortest = {"max_epochs": 2, "min_steps": None, "n_passes": 1}
    for name, build in detect_adbench.OURS.items():
        short = {key: shortest[key] for key in shortest.keys() & build().get_params()}
        scores = [
            build(contamination=told, random_state=0, **short).fit(X).decision_function(X)
            for told in ("auto", 0.1, 0.3)
        ]
        np.testing.assert_array_equal(scores[0], scores[1], err_msg=name)
        assert not np.array_equal(scores[0], scores[2]), name


def test_peers_see_standardised_rows(planted):
    """The wide column would drown the other in distances."""
    found = detect_adbench.measure(Cell("adbench/WBC", "KNN", "any rate", 0))
    assert found["auc"] > 0.95 and found["failed"] == 0 and np.isnan(found["rate"])


def test_peers_are_seeded_and_silent(capsys):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    for name in PEERS:
        peer = make_peer(name, 7)
        assert type(peer).__name__ == name
        assert getattr(peer, "random_state", 7) == 7 and not getattr(peer, "verbose", 0)
    X = np.random.RandomState(0).normal(size=(64, 3))
    first, second, other = (
        fit_and_score(make_peer("AutoEncoder", s), X, X, s).scores for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other) and capsys.readouterr().out == ""
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


class Failing(Stub):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def decision_function(self, X):
        if self.how == "raises":
            raise ArithmeticError("no")
        while self.how == "never ends":
            pass
        return np.where(np.arange(len(X)) == 1, np.inf, 0.0)


@pytest.mark.parametrize("how, code", [("raises", 1), ("is infinite", 2), ("never ends", 3)])
def test_failures_are_rows(how, code, planted, monkeypatch):
    monkeypatch.setattr(detect_adbench, "make_peer", lambda name, seed: Failing(how))
    limited = lambda *given: fit_and_score(*given, longest=0.2)  # noqa: E731
    monkeypatch.setattr(detect_adbench, "fit_and_score", limited)
    found = detect_adbench.measure(Cell("odds/glass", "PCA", "any rate", 0))
    assert found["failed"] == code and np.isnan(found["auc"]) and np.isnan(found["ap"])
    assert (found["fit_seconds"] >= 0.15) == (code == 3)


def test_seconds_are_those_of_the_processor():
    class Sleeper(Stub):
        def fit(self, X):
            time.sleep(0.3)
            return super().fit(X)

    outcome = fit_and_score(Sleeper(), np.ones((2, 2)), np.ones((2, 2)), 0, longest=0.2)
    assert outcome.failed == 0 and outcome.seconds < 0.2


# --- ranks, tables, picture -------------------------------------------------------------------


def test_mean_ranks():
    index = pd.MultiIndex.from_tuples([("a", 0), ("a", 1), ("b", 0)], names=["set", "seed"])
    quality = pd.DataFrame({"x": [3, 3, 2], "y": [1, np.nan, 2], "z": [2, np.nan, 1.0]}, index)
    ranks = _ranks.mean_ranks(quality)
    # the failures of y and z share ranks 2 and 3; x and y share ranks 1 and 2
    expected = {"x": (1 + 1.5) / 2, "y": ((3 + 2.5) / 2 + 1.5) / 2, "z": ((2 + 2.5) / 2 + 3) / 2}
    assert ranks.to_dict() == pytest.approx(expected)


@pytest.mark.parametrize("n_methods, q", [(2, 1.960), (4, 2.569), (10, 3.164)])
def test_critical_difference(n_methods, q):
    """Values of Demšar's Table 5."""
    expected = q * np.sqrt(n_methods * (n_methods + 1) / (6 * 14))
    assert _ranks.critical_difference(n_methods, 14) == pytest.approx(expected, abs=1e-3)


def test_longest_runs():
    ranks = np.array([1.0, 1.5, 2.5, 5.0, 5.9, 6.0])
    assert _ranks.alike(ranks, 1.2) == [(0, 1), (1, 2), (3, 5)]
    assert _ranks.alike(ranks, 0.3) == [(4, 5)]
    assert _ranks.alike(ranks, 9.0) == [(0, 5)]


def test_picture():
    ranks = pd.Series({"worst": 6.0, "best": 1.0, "next": 1.5})
    figure = _ranks.draw_ranks(ranks, 30, "Few")
    (ax,) = figure.axes
    texts = [text.get_text() for text in ax.texts]
    assert texts[:3] == ["best 1.00", "next 1.50", "worst 6.00"]
    bars = [line for line in ax.lines if line.get_linewidth() == 3]
    assert [tuple(bar.get_xdata()) for bar in bars] == [pytest.approx((0.95, 1.55))]
    assert f"{_ranks.critical_difference(3, 30):.2f}" in texts[-1]


def rows(cells, **values):
    """Measured cells: quality is better the earlier a method is listed."""
    names = [*detect_adbench.OURS, *PEERS]
    found = {"true_rate": 0.1, "rate": 0.15, "low": 0.1, "high": 0.3, "doubted": 0}
    found |= {"n_rows": 1_000, "fit_seconds": 2.0, "failed": 0, "seconds": 9.0, **values}
    listed = []
    for cell in cells:
        auc = 1 - 0.01 * names.index(cell.method) - 0.1 * (cell.setting == "0.1")
        listed.append({**cell._asdict(), "auc": auc, "ap": auc / 2, **found})
    return pd.DataFrame(listed)


FIRST = next(iter(detect_adbench.OURS))


def test_summary():
    frame = rows(detect_adbench.cells(1))
    of_peer = frame.set_index(["set", "method"]).index
    frame.loc[of_peer == ("odds/glass", "KNN"), ["auc", "ap", "failed"]] = [np.nan, np.nan, 2]
    frame.loc[of_peer == ("odds/glass", "PCA"), "auc"] = 0.3  # ranks before the failure
    table = detect_adbench.summary(detect_adbench.shared(frame))
    names = [*detect_adbench.OURS, *PEERS]
    assert table.index[0] == FIRST and len(table) == len(names)
    place = names.index("KNN")
    assert table.loc["KNN", "failed"] == 1 and table["failed"].sum() == 1
    assert table.loc["KNN", "AUC"] == pytest.approx((29 * (1 - 0.01 * place) + 0.5) / 30)
    assert table.loc["KNN", "AP"] == pytest.approx((29 * (1 - 0.01 * place) / 2 + 0.1) / 30)
    assert table.loc["KNN", "rank"] == pytest.approx((29 * (place + 1) + len(names)) / 30)
    assert table.loc[FIRST, "rank"] == 1 and table.loc[FIRST, "seconds"] == 2
    at_a_tenth = detect_adbench.summary(detect_adbench.shared(frame, "0.1"))
    assert at_a_tenth.loc[FIRST, "AUC"] == pytest.approx(0.9)
    assert at_a_tenth.loc[FIRST, "rank"] > 5


def test_only_what_is_shared_is_compared():
    frame = rows(detect_adbench.cells(2))
    lacks_a_set = (frame["method"] == "KNN") & (frame["set"] == "adbench/WBC")
    lacks_a_seed = (frame["method"] == "PCA") & (frame["set"] == "odds/pima") & (frame["seed"] == 1)
    part = detect_adbench.shared(frame[~lacks_a_set & ~lacks_a_seed])
    assert "KNN" not in set(part["method"]) and "PCA" in set(part["method"])
    assert len(part[["set", "seed"]].drop_duplicates()) == 59
    on_odds = detect_adbench.shared(
        frame[~lacks_a_set], sets=detect_adbench.GROUPS[detect_adbench.ODDS]
    )
    assert "KNN" in set(on_odds["method"])


def test_tables():
    assert detect_adbench.render(pd.DataFrame()) == "nothing measured yet"
    frame = rows(detect_adbench.cells(1))
    frame["n_rows"] = frame["set"].map({"odds/glass": 214, "odds/pima": 768}).fillna(5_000)
    frame.loc[frame["set"] == "odds/glass", "auc"] = 0.25
    text = detect_adbench.render(frame)
    for part in ("ODDS: 18 sets, 18 splits", "ADBench: 12 sets", "all: 30 sets", 'ours at "auto"'):
        assert part in text
    assert "fewer than 500 (1)  500 to 2,000 (1)  more (28)" in text
    sizes, rates = text.partition("Mean AUC by rows")[2].split('Rates found by "auto"')
    line = next(line for line in sizes.splitlines() if line.startswith(FIRST))
    assert line.split()[1:] == ["0.25", "1.00", "1.00"]
    line = next(line for line in rates.splitlines() if line.startswith(FIRST))
    assert line.split()[1:] == ["0.05", "0.0", "0.0", "0.2"]


def test_table_of_the_readme():
    frame = rows(detect_adbench.cells(1))
    header, listed, note = detect_adbench.readme_table(frame)
    assert listed[0][0] == f"**{FIRST}**" and f'**{FIRST}**, "auto"' in [row[0] for row in listed]
    assert {len(row) for row in listed} == {len(header)}
    assert listed[0][1:] == ["1.000", "1.0", "0.500", "1.000", "1.0", "0.500", "1.0", "2.00", "0"]
    assert "30 sets, 30 splits" in note
    without_ours = frame[frame["setting"] == "any rate"]
    assert len(detect_adbench.readme_table(without_ours)[1]) == len(PEERS)
    assert detect_adbench.readme_table(frame[:0])[1] == []


def test_readme_table_of_the_committed_results():
    assert readme.anomalies_table().startswith("|  | AUC, ODDS |")
