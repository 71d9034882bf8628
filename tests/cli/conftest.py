"""A table with planted rows, and a model trained on it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skrobust.__main__ import main

PLANTED = [7, 100, 250]


def make_table():
    """300 rows on a 2-D surface, of mixed columns; in three of them ``pressure`` is off."""
    rng = np.random.default_rng(0)
    code = rng.normal(size=(300, 2))
    X = np.tanh(code @ rng.normal(size=(2, 4))) + 0.05 * rng.normal(size=(300, 4))
    frame = pd.DataFrame(X * [1, 100, 1e6, 1e-3], columns=["heat", "pressure", "flow", "noise"])
    frame["town"] = np.where(code[:, 0] > 0, "Lima", "Ōsaka")
    frame["open"] = code[:, 1] > -1
    days = pd.to_timedelta(np.round(100 * code[:, 0]), unit="D")
    frame["since"] = (pd.Timestamp("2021-05-01") + days).strftime("%Y-%m-%d")
    frame.loc[PLANTED, "pressure"] = [900.0, -900.0, 1200.0]
    frame.insert(0, "ref", [f"{i:04d}" for i in range(300)])
    frame["fault"] = np.isin(np.arange(300), PLANTED).astype(int)
    return frame


@pytest.fixture
def table():
    return make_table()


def train(detector, tmp_path_factory):
    """Folder with a table, and what ``detect`` made of it."""
    folder = tmp_path_factory.mktemp(detector)
    paths = {
        "table": folder / "plant.csv",
        "scores": folder / "scores.csv",
        "report": folder / "report.html",
        "model": folder / "plant.model",
    }
    make_table().to_csv(paths["table"], index=False)
    argv = ["detect", paths["table"], "--id", "ref", "--label", "fault", "--contamination", "0.02"]
    argv += ["--out", paths["scores"], "--report", paths["report"], "--detector", detector]
    argv += [] if detector == "ensemble" else ["--epochs", 60]
    assert main([*map(str, argv), "--save", str(paths["model"])]) == 0
    return SimpleNamespace(planted=PLANTED, folder=folder, detector=detector, **paths)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """With a detector whose training is short."""
    return train("rca", tmp_path_factory)


@pytest.fixture(scope="session", params=["ensemble", "rca", "realnvp"])
def trained_by_each(request, tmp_path_factory):
    """With each detector in turn."""
    return train(request.param, tmp_path_factory)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; returns status, lines of stdout and lines of stderr."""
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run_command(*argv):
        try:
            status = main([str(arg) for arg in argv])
        except SystemExit as stop:
            status = stop.code
        output = capsys.readouterr()
        return SimpleNamespace(
            status=status, out=output.out, err=output.err, files=sorted(folder.iterdir())
        )

    return run_command
