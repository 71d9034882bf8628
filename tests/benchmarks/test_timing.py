"""The timing method, on clocks that the test advances."""

import numpy as np
import pytest

from benchmarks.speed import __main__ as command
from benchmarks.speed.report import History, Row, at_least, at_most, format_table
from benchmarks.speed.timing import Ratio, compare, quartiles, seconds


class FakeClock:
    """Time passes only inside the work it hands out."""

    def __init__(self):
        self.now = 100.0
        self.calls = []

    def __call__(self):
        return self.now

    def work(self, name, *durations):
        """Callable that takes the durations in turn, the last one for ever."""
        remaining = list(durations)

        def run():
            self.calls.append(name)
            self.now += remaining.pop(0) if len(remaining) > 1 else remaining[0]

        return run


def test_constant_times_give_their_ratio():
    clock = FakeClock()
    ratio = compare(clock.work("x", 3.0), clock.work("base", 2.0), rounds=9, clock=clock)
    assert ratio == Ratio(1.5, 1.5, 1.5, 9)


def test_rounds_are_interleaved_and_share_their_bases():
    clock = FakeClock()
    compare(clock.work("x", 1.0), clock.work("b", 1.0), rounds=3, warm_up=2, clock=clock)
    assert "".join(clock.calls) == "bxbx" + "bxbxbxb"


def test_a_round_divides_by_the_mean_of_the_bases_around_it():
    clock = FakeClock()
    ratio = compare(
        clock.work("x", 4.0), clock.work("base", 1.0, 3.0), rounds=1, warm_up=0, clock=clock
    )
    assert ratio.median == pytest.approx(4.0 / 2.0)


def test_a_machine_that_slows_down_linearly_does_not_bend_the_ratio():
    clock = FakeClock()
    base = clock.work("base", *range(2, 100, 2))
    subject = clock.work("x", *(2.0 * t for t in range(3, 100, 2)))
    ratio = compare(subject, base, rounds=9, warm_up=0, clock=clock)
    assert ratio.median == pytest.approx(2.0)
    assert ratio.q1 == pytest.approx(ratio.q3)


def test_warm_up_is_not_counted():
    clock = FakeClock()
    ratio = compare(
        clock.work("x", 1000.0, 1.0), clock.work("base", 500.0, 1.0), rounds=5, clock=clock
    )
    assert ratio == Ratio(1.0, 1.0, 1.0, 5)


def test_one_disturbed_round_does_not_move_the_median():
    clock = FakeClock()
    subject = clock.work("x", 1.0, 1.0, 300.0, 1.0)
    ratio = compare(subject, clock.work("base", 1.0), rounds=9, warm_up=0, clock=clock)
    assert ratio == Ratio(1.0, 1.0, 1.0, 9)


def test_seconds():
    clock = FakeClock()
    assert seconds(clock.work("x", 0.25), clock) == 0.25


@pytest.mark.parametrize("values", [[1.0, 4.0], [3.0, 1.0, 2.0], [5.0, 1.0, 2.0, 2.5, 9.0, 0.1]])
def test_quartiles_are_numpys(values):
    q1, median, q3 = np.percentile(values, [25, 50, 75])
    assert quartiles(values) == pytest.approx(Ratio(median, q1, q3, len(values)))


def test_one_value_is_its_own_quartiles():
    assert quartiles([2.0]) == Ratio(2.0, 2.0, 2.0, 1)


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (at_most(0.7), 0.7, "reached"),
        (at_most(0.7), 0.71, "MISSED"),
        (at_least(4), 4.0, "reached"),
        (at_least(4), 3.99, "MISSED"),
        (None, 1.0, "-"),
    ],
)
def test_verdict(goal, value, verdict):
    assert Row("a / b", quartiles([value]), goal).verdict == verdict


def test_what_was_not_measured_is_neither_reached_nor_missed(tmp_path):
    row = Row("a / b", None, at_most(1), note="peer is not installed")
    assert row.verdict == "-"
    assert "peer is not installed" in format_table([("name", row)])
    history = History(tmp_path / "out.csv")
    history.append("name", row)
    header, line = (tmp_path / "out.csv").read_text().splitlines()
    assert header.startswith("commit,date,machine,name,compared,median,q1,q3,rounds,unit,goal,")
    assert ",name,a / b,,,,,x,<= 1,-,peer is not installed," in line


def test_a_history_forgets_nothing_and_shows_the_newest(tmp_path):
    def measured(what, *values):
        return Row(what, quartiles(values) if values else None)

    path = tmp_path / "history.csv"
    for name, row in (
        ("b", measured("x / y", 1.0)),
        ("a", measured("x / y", 2.0)),
        ("b", measured("z / y")),
        ("b", measured("x / y", 3.0, 4.0, 5.0)),
        ("a", measured("x / y")),  # its peer was not there: what was measured before stands
    ):
        History(path).append(name, row)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 6 and sum(line.startswith("commit,") for line in lines) == 1
    shown = [
        (r["name"], r["compared"], r["median"], r["q1"], r["rounds"])
        for r in History(path).newest()
    ]
    assert shown == [
        ("a", "x / y", "2", "2", "1"),
        ("b", "x / y", "4", "3.5", "3"),
        ("b", "z / y", "", "", ""),
    ]
    newest = History(path).newest()[0]
    assert newest["date"].startswith("20") and newest["machine"] and newest["torch"]


def test_a_run_adds_to_the_history(tmp_path, monkeypatch, capsys):
    def run(rounds):
        yield Row("x / y", quartiles([float(rounds)]), at_most(2))
        yield Row("x / z", quartiles([1.0]))

    monkeypatch.setattr(command, "BENCHMARKS", {"fast": run})
    path = tmp_path / "history.csv"
    for rounds in ("2", "3"):
        command.main(["fast", "--rounds", rounds, "--out", str(path)])
    assert len(path.read_text(encoding="utf-8").splitlines()) == 5
    assert [row["median"] for row in History(path).newest()] == ["3", "1"]
    assert "fast: x / y: 3 [3, 3] MISSED" in capsys.readouterr().out


def test_another_file_is_not_added_to(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("name,median\n")
    with pytest.raises(ValueError, match="begins with"):
        History(path)


def test_the_committed_history_can_be_read():
    rows = History(command.RESULTS).newest()
    assert len(rows) >= 80 and {row["name"] for row in rows} <= set(command.BENCHMARKS)
    assert all(row["commit"] and row["date"] for row in rows)
