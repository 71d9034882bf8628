"""``--save`` and ``score``: the same scores, and files that are not models are refused."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

import skrobust.io
from skrobust.cli._model import DETECTORS, load_model
from skrobust.io._encode import digest


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
    assert load_model(trained_by_each.model).dump() == trained_by_each.model.read_bytes()


def test_loading_draws_no_random_numbers(trained_by_each):
    before = torch.random.get_rng_state()
    load_model(trained_by_each.model)
    assert torch.equal(before, torch.random.get_rng_state())


def content(trained):
    with safe_open(trained.model, framework="pt") as file:
        header = json.loads(file.metadata()["skrobust"])
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def write(path, header, tensors):
    """A file whose digest is right, whatever it holds."""
    header.pop("sha256")
    header["sha256"] = digest(header, tensors)
    path.write_bytes(save(tensors, {"skrobust": json.dumps(header)}))


def put(tensors, name, value):
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[0] = value


def more(header):
    """What is stored beside the estimators."""
    return dict(header["more"]["dict"])


def change(header, **values):
    header["more"]["dict"] = [[k, values.get(k, v)] for k, v in header["more"]["dict"]]


def steps(header):
    """The encoder and the detector, as they are stored."""
    return [step["tuple"][1] for step in header["estimator"]["fields"]["steps"]["list"]]


def columns(header):
    return [column["fields"] for column in steps(header)[0]["fields"]["columns_"]["tuple"]]


def edit_column(place, **values):
    return lambda header, tensors: columns(header)[place].update(values)


def edit_fact(name, value):
    def edit(header, tensors):
        facts = [[k, value if k == name else v] for k, v in more(header)["facts"]["dict"]]
        change(header, facts={"dict": facts})

    return edit


EDITS = {
    "newer": lambda header, tensors: header.update(format=4),
    "another estimator": lambda header, tensors: header.update(estimator=steps(header)[1]),
    "encoder only": lambda header, tensors: header.update(estimator=steps(header)[0]),
    "column kind": edit_column(0, kind="magic"),
    "column scale": edit_column(0, scale=0),
    "column center": edit_column(0, center="x"),
    "vast scale": edit_column(0, scale=10**400),
    "level": edit_column(4, levels={"tuple": ["Lima", 3]}),
    "equal levels": edit_column(4, levels={"tuple": ["Lima", "Lima"]}),
    "column text": edit_column(0, name="\udfff"),
    "level text": edit_column(4, typical="\ud83d"),
    "one name": edit_column(0, name="pressure"),
    "column gone": lambda header, tensors: steps(header)[0]["fields"]["columns_"]["tuple"].pop(),
    "columns": lambda header, tensors: steps(header)[0]["fields"].update(columns_=3),
    "threshold": lambda header, tensors: steps(header)[1]["fields"].update(threshold_=None),
    "infinite threshold": lambda header, tensors: steps(header)[1]["fields"].update(
        threshold_={"float": "inf"}
    ),
    "nothing more": lambda header, tensors: header.update(more=None),
    "facts": lambda header, tensors: change(header, facts={"dict": []}),
    "fact": edit_fact("rows", "many"),
    "version text": edit_fact("version", "\ud83d"),
    "label": lambda header, tensors: change(header, label={"dict": [["column", 1]]}),
    "label type": lambda header, tensors: change(
        header, label={"dict": [["column", 1], ["normal", "0"], ["abnormal", "1"]]}
    ),
    "id": lambda header, tensors: change(header, id_column=1),
    "id text": lambda header, tensors: change(header, id_column="x\ud800"),
    "weights nan": lambda header, tensors: put(tensors, f"{DETECTOR}.net_.layers.0.weight", np.nan),
    "scores": lambda header, tensors: put(tensors, f"{DETECTOR}.decision_scores_", np.nan),
    "typical": lambda header, tensors: tensors.update({"more.typical": torch.zeros(3)}),
    "typical nan": lambda header, tensors: put(tensors, "more.typical", np.nan),
}
DETECTOR = "estimator.steps.1.1"


@pytest.mark.parametrize("how", EDITS)
def test_a_file_whose_parts_do_not_fit_is_refused(run, trained, tmp_path, how):
    header, tensors = content(trained)
    EDITS[how](header, tensors)
    path = tmp_path / "bad.model"
    write(path, header, tensors)
    done = run("score", path, trained.table)
    assert done.status == 2
    assert done.err.count("\n") == 1 and "bad.model is not a skrobust model" in done.err
    assert done.files == []


@pytest.mark.parametrize("how", ["empty", "text", "truncated", "changed"])
def test_a_file_that_is_no_model_is_refused(run, trained, tmp_path, how):
    whole = trained.model.read_bytes()
    path = tmp_path / "bad.model"
    other = {"empty": b"", "text": b"a,b\n1,2\n", "truncated": whole[: len(whole) // 2]}
    path.write_bytes(other.get(how, whole[:-1] + bytes([whole[-1] ^ 1])))
    done = run("score", path, trained.table)
    words = "is damaged" if how == "changed" else "is not a skrobust model"
    assert done.status == 2 and done.files == []
    assert done.err.count("\n") == 1 and f"bad.model {words}" in done.err


def test_a_model_of_an_earlier_version_is_named(run, trained, tmp_path):
    path = tmp_path / "old.model"
    header = {"format": 1, "version": "0.1.0", "detector": "rca"}
    path.write_bytes(save({"x": torch.zeros(3)}, {"skrobust": json.dumps(header)}))
    done = run("score", path, trained.table)
    assert done.status == 2 and "format 1 (of skrobust 0.1.0), only 3 is known" in done.err


def test_the_library_reads_what_detect_saves(trained_by_each, table):
    model = skrobust.io.load(trained_by_each.model)
    scores = model.decision_function(table.drop(columns=["ref", "fault"]))
    np.testing.assert_array_equal(scores, pd.read_csv(trained_by_each.scores)["score"])
    assert type(model[-1]).__name__ == DETECTORS[trained_by_each.detector]


@pytest.mark.parametrize("name", ["layers.0.weight", "layers.5.bias"])
@pytest.mark.parametrize("report", [[], ["--report", "r.html"]])
def test_weights_too_large_to_score_with(run, trained, tmp_path, name, report):
    header, tensors = content(trained)
    name = f"{DETECTOR}.net_.{name}"
    tensors[name] = torch.full_like(tensors[name], 3e38)
    path = tmp_path / "bad.model"
    write(path, header, tensors)
    done = run("score", path, trained.table, *report)
    assert done.status == 2 and done.files == []
    last = done.err.splitlines()[-1]
    assert f"{path} gives scores that are not finite" in last and "Traceback" not in done.err
