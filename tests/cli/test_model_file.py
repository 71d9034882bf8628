"""``--save`` and ``score``: the same scores, and files that are not models are refused."""

import json
import pickle
import struct

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from skrobust.cli._model_file import dump_model, load_model


def test_scores_of_the_training_table_are_those_of_detect(run, trained_by_each):
    assert run("score", trained_by_each.model, trained_by_each.table).status == 0
    expected, scores = pd.read_csv(trained_by_each.scores), pd.read_csv("scores.csv")
    pd.testing.assert_frame_equal(scores, expected, rtol=1e-6, atol=1e-6)


def test_columns_in_another_order_without_id_and_label(run, trained, table, tmp_path):
    path = tmp_path / "new.csv"
    table = table.drop(columns=["ref", "fault"]).iloc[:, ::-1]
    table.to_csv(path, index=False)
    done = run("score", trained.model, path)
    assert "Compared" not in done.out
    expected = pd.read_csv(trained.scores)["score"]
    np.testing.assert_allclose(pd.read_csv("scores.csv")["score"], expected, rtol=1e-6)


@pytest.mark.parametrize("label", [None, "NA"])
def test_rows_without_any_label(run, trained, table, tmp_path, label):
    path = tmp_path / "new.csv"
    table.assign(fault=label).to_csv(path, index=False)
    done = run("score", trained.model, path, "--report", "r.html")
    assert done.status == 0 and "Compared" not in done.out
    assert "note: fault: all cells are missing; no labels to compare with" in done.out
    expected = pd.read_csv(trained.scores)["score"]
    np.testing.assert_allclose(pd.read_csv("scores.csv")["score"], expected, rtol=1e-6)


def test_one_row_scores_as_among_others(run, trained_by_each, table, tmp_path):
    path = tmp_path / "one.csv"
    table.iloc[[7]].to_csv(path, index=False)
    done = run("score", trained_by_each.model, path, "--report", "r.html")
    assert done.status == 0 and "all rows have one label" in done.out
    assert "pressure 900 (typical" in done.out
    expected = pd.read_csv(trained_by_each.scores)["score"][7]
    assert pd.read_csv("scores.csv")["score"][0] == pytest.approx(expected, rel=1e-6)


def test_values_never_seen_raise_the_score_and_are_named(run, trained, table, tmp_path):
    path = tmp_path / "new.csv"
    new = table.iloc[:2].drop(columns="fault").copy()
    new.loc[1] = new.loc[0]
    new.loc[1, "town"] = "Atlantis"
    new.to_csv(path, index=False)
    run("score", trained.model, path, "--report", "r.html")
    scores = pd.read_csv("scores.csv")["score"]
    assert scores[1] > scores[0] + 0.3
    with open("r.html", encoding="utf-8") as page:
        assert "Atlantis (rare)" in page.read()


def test_numbers_as_text_and_extreme_values(run, trained, table, tmp_path):
    path = tmp_path / "new.csv"
    new = table.iloc[:2].copy()
    new.loc[0, "heat"] = 1e140
    new.to_csv(path, index=False)
    assert run("score", trained.model, path).status == 0
    assert np.isfinite(pd.read_csv("scores.csv")["score"]).all()


def test_loading_and_saving_again_gives_the_same_bytes(trained_by_each):
    assert dump_model(load_model(trained_by_each.model)) == trained_by_each.model.read_bytes()


def test_loading_draws_no_random_numbers(trained_by_each):
    before = torch.random.get_rng_state()
    load_model(trained_by_each.model)
    assert torch.equal(before, torch.random.get_rng_state())


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


def content(trained):
    with safe_open(trained.model, framework="pt") as file:
        header = json.loads(file.metadata()["skrobust"])
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def broken(trained, how):
    """Bytes of a file that is no model."""
    whole = trained.model.read_bytes()
    simple = {
        "empty": b"",
        "text": b"a,b\n1,2\n",
        "pickle": pickle.dumps(Bomb()),
        "truncated": whole[: len(whole) // 2],
        "header only": whole[:100],
        "too long": whole + b"x",
        "huge header": struct.pack("<Q", 2**62) + whole[8:],
        "foreign": save({"x": torch.zeros(3)}),
        "not json": save({"x": torch.zeros(3)}, {"skrobust": "{"}),
        "nested": save({"x": torch.zeros(3)}, {"skrobust": "[" * 100_000}),
        "no dict": save({"x": torch.zeros(3)}, {"skrobust": "[1]"}),
    }
    if how in simple:
        return simple[how]
    header, tensors = content(trained)
    EDITS[how](header, tensors)
    return save(tensors, {"skrobust": json.dumps(header)})


def put(tensors, name, value):
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[0] = value


EDITS = {
    "newer": lambda header, tensors: header.update(format=2),
    "no format": lambda header, tensors: header.pop("format"),
    "detector": lambda header, tensors: header.update(detector="forest"),
    "detector type": lambda header, tensors: header.update(detector=["rca"]),
    "parameter": lambda header, tensors: header["parameters"].update(callbacks="os"),
    "dropout": lambda header, tensors: header["parameters"].update(dropout=1.5),
    "width": lambda header, tensors: header["parameters"].update(hidden_layer_sizes=[10**9]),
    "widths": lambda header, tensors: header["parameters"].update(hidden_layer_sizes="big"),
    "column kind": lambda header, tensors: header["columns"][0].update(kind="magic"),
    "column scale": lambda header, tensors: header["columns"][0].update(scale=0),
    "column center": lambda header, tensors: header["columns"][0].update(center="x"),
    "column gone": lambda header, tensors: header["columns"].pop(),
    "columns": lambda header, tensors: header.update(columns=3),
    "level": lambda header, tensors: header["columns"][4]["levels"].append(3),
    "threshold": lambda header, tensors: header.update(threshold=None),
    "infinite threshold": lambda header, tensors: header.update(threshold=float("inf")),
    "facts": lambda header, tensors: header.update(facts={}),
    "label": lambda header, tensors: header.update(label={"column": 1}),
    "id": lambda header, tensors: header.update(id_column=1),
    "weights gone": lambda header, tensors: tensors.pop("weights.mlp.layers.0.weight"),
    "weights nan": lambda header, tensors: put(tensors, "weights.mlp.layers.0.weight", np.nan),
    "weights more": lambda header, tensors: tensors.update({"weights.x": torch.zeros(1)}),
    "label text": lambda header, tensors: header["label"].update(normal="\udc80"),
    "id text": lambda header, tensors: header.update(id_column="x\ud800"),
    "column text": lambda header, tensors: header["columns"][0].update(name="\udfff"),
    "level text": lambda header, tensors: header["columns"][4].update(typical="\ud83d"),
    "version text": lambda header, tensors: header.update(version="\ud83d"),
    "vast number": lambda header, tensors: header.update(threshold=10**400),
    "vast scale": lambda header, tensors: header["columns"][0].update(scale=10**400),
    "passes gone": lambda header, tensors: tensors.pop("passes"),
    "passes": lambda header, tensors: tensors.update(passes=tensors["passes"][:, :, 1:].clone()),
    "passes type": lambda header, tensors: tensors.update(passes=tensors["passes"].float()),
    "fill": lambda header, tensors: put(tensors, "fill", np.inf),
    "scores": lambda header, tensors: put(tensors, "training_scores", 1e9),
    "typical": lambda header, tensors: tensors.update(typical=torch.zeros(3)),
    "typical type": lambda header, tensors: tensors.update(typical=tensors["typical"].int()),
}
SIMPLE = ["empty", "text", "pickle", "truncated", "header only", "too long", "huge header"]
SIMPLE += ["foreign", "not json", "nested", "no dict"]


@pytest.mark.parametrize("how", [*SIMPLE, *EDITS])
def test_a_file_that_is_no_model_is_refused(run, trained, tmp_path, how):
    path = tmp_path / "bad.model"
    path.write_bytes(broken(trained, how))
    done = run("score", path, trained.table)
    assert done.status == 2
    assert done.err.count("\n") == 1 and "bad.model is not a skrobust model" in done.err
    assert done.files == []


def test_version_names_are_in_the_message(run, trained, tmp_path):
    path = tmp_path / "bad.model"
    path.write_bytes(broken(trained, "newer"))
    assert "format 2, only 1 is known" in run("score", path, trained.table).err


@pytest.mark.parametrize("name", ["mlp.layers.0.weight", "mlp.layers.5.bias"])
@pytest.mark.parametrize("report", [[], ["--report", "r.html"]])
def test_weights_too_large_to_score_with(run, trained, tmp_path, name, report):
    header, tensors = content(trained)
    weights = tensors[f"weights.{name}"]
    tensors[f"weights.{name}"] = torch.full_like(weights, 3e38)
    path = tmp_path / "bad.model"
    path.write_bytes(save(tensors, {"skrobust": json.dumps(header)}))
    done = run("score", path, trained.table, *report)
    assert done.status == 2 and done.files == []
    last = done.err.splitlines()[-1]
    assert f"{path} gives scores that are not finite" in last and "Traceback" not in done.err
