"""Files are whole or not there, whatever ends the process; what they describe is compared first."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import skrobust.io
from skrobust import PRLClassifier
from skrobust._files import write_whole
from skrobust.cli._console import InputError
from skrobust.cli._output import write_all
from skrobust.io import ModelFileError
from skrobust.io._encode import HEADER, digest

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def test_files_are_written_together_or_not_at_all(tmp_path):
    first, second = tmp_path / "a", tmp_path / "folder" / "b"
    first.write_bytes(b"old")
    with pytest.raises(OSError):
        write_whole({first: b"new", second: b"new"})
    assert first.read_bytes() == b"old" and list(tmp_path.iterdir()) == [first]
    second.parent.mkdir()
    write_whole({first: b"new", second: b"new"})
    assert first.read_bytes() == second.read_bytes() == b"new"


def test_the_model_is_written_first_and_stays(tmp_path):
    model, report = tmp_path / "plant.model", tmp_path / "absent" / "report.html"
    with pytest.raises(InputError, match=r"cannot write .*report\.html.*the model is in .*plant"):
        write_all({report: b"page"}, {model: b"weights"})
    assert model.read_bytes() == b"weights"
    with pytest.raises(InputError, match=r"cannot write .*absent.*\.model"):
        write_all({tmp_path / "page": b""}, {report.with_name("x.model"): b""})
    assert not (tmp_path / "page").exists()


@POSIX
def test_parts_of_processes_that_are_gone_are_swept_up(tmp_path):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], **TEXT).stdout
    left = tmp_path / f".skrobust-{int(gone)}-00.part"
    mine = tmp_path / f".skrobust-{os.getpid()}-00.part"
    other = tmp_path / ".skrobust-notes.part"
    for path in (left, mine, other):
        path.write_bytes(b"part")
    write_whole({tmp_path / "a": b"1"})
    assert sorted(tmp_path.iterdir()) == sorted([mine, other, tmp_path / "a"])


TEXT = {"capture_output": True, "text": True, "check": True}
LATE = """
import os, signal, sys, time

for name in ("SIGTERM", "SIGHUP"):  # nohup leaves one of them ignored
    signal.signal(getattr(signal, name), signal.SIG_DFL)

from pathlib import Path
import skrobust.__main__ as command
from skrobust import _files

os.fsync = lambda file: (print("writing", flush=True), time.sleep(60))
command._build_parser = lambda argv: Parser()

class Parser:
    def parse_args(self, argv):
        return self

    def run(self, args):
        _files.write_whole({Path("a"): b"1"})

sys.exit(command.main([]))
"""


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_no_part(tmp_path, name):
    number = getattr(signal, name)
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", LATE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "writing\n"
        time.sleep(0.1)
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    finally:
        process.kill()
        process.stdout.close()
    assert list(tmp_path.iterdir()) == []


class Wide(nn.Module):
    """A network of the caller's, whose size stands in the file."""

    built: list = []

    def __init__(self, in_features, n_classes, width=4):
        super().__init__()
        self.hidden = nn.Linear(in_features, width)
        self.output = nn.Linear(width, n_classes)
        self.built.append(self.output.weight.device.type)

    def forward(self, x):
        return self.output(self.hidden(x).relu())


def crafted(path, change):
    """Change a file's description, and give it a digest that is right."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header.pop("sha256")
    text = change(json.dumps(header))
    header = json.loads(text)
    header["sha256"] = digest(header, tensors)
    save_file(tensors, path, metadata={HEADER: json.dumps(header)})


@pytest.fixture
def model():
    X = np.random.RandomState(0).normal(size=(60, 3))
    return PRLClassifier(max_epochs=1, hidden_layer_sizes=(4,)).fit(X, np.arange(60) % 2)


def test_layers_without_tensors_are_not_built(model, tmp_path, monkeypatch):
    path = tmp_path / "a.model"
    skrobust.io.save(model, path)
    empty = {"module": "torch.nn.ReLU", "fields": {}}
    empty |= {"_parameters": {}, "_buffers": {}, "_modules": {}}
    many = json.dumps({f"m{i}": empty for i in range(2000)})
    crafted(path, lambda text: text.replace('"_modules": {}', f'"_modules": {many}', 1))
    monkeypatch.setattr(nn.Module, "__init__", lambda *given: pytest.fail("built"))
    with pytest.raises(ModelFileError, match=r"describes 2\d+ layers, but holds"):
        skrobust.io.load(path)


def test_a_network_that_does_not_fit_takes_no_memory(tmp_path):
    X = np.random.RandomState(0).normal(size=(60, 3))
    learner = PRLClassifier(Wide, module__width=5, max_epochs=1).fit(X, np.arange(60) % 2)
    path = tmp_path / "a.model"
    skrobust.io.save(learner, path)
    loaded = skrobust.io.load(path, module=Wide)
    np.testing.assert_array_equal(loaded.predict(X), learner.predict(X))
    crafted(
        path, lambda text: text.replace('["module__width", 5]', '["module__width", 2000000000]')
    )
    Wide.built.clear()
    with pytest.raises(ModelFileError, match=r"shape mismatch of .*hidden"):
        skrobust.io.load(path, module=Wide)
    assert set(Wide.built) == {"meta"}


def test_every_flipped_bit_is_noticed(model, tmp_path):
    path = tmp_path / "a.model"
    skrobust.io.save(model, path)
    content = bytearray(path.read_bytes())
    for place in np.random.RandomState(0).randint(len(content) // 2, len(content), 40):
        damaged = content.copy()
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            skrobust.io.load(path)
    assert torch.get_default_device().type == "cpu"
