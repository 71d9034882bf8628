"""What is said in several places about a release is the same everywhere."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import skrobust

ROOT = Path(__file__).parents[1]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def pinned(name):
    lines = [line for line in read(name).splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def requirements():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    for text in [*project["dependencies"], *extras["parquet"], *extras["test"]]:
        yield pytest.param(Requirement(text), id=text)


def test_version_and_date():
    newest = re.search(r"^## \[(\d.*)\] - (\S+)$", read("CHANGELOG.md"), flags=re.MULTILINE)
    cited = re.search(r"^version: (.*)\ndate-released: (.*)$", read("CITATION.cff"), re.MULTILINE)
    assert newest.groups() == cited.groups()
    assert Version(newest[1]).release == Version(skrobust.__version__).release


@pytest.mark.parametrize("requirement", list(requirements()))
def test_every_dependency_is_pinned(requirement):
    assert requirement.name in pinned("constraints.txt")
    oldest = Version(pinned("constraints-oldest.txt")[requirement.name])
    for bound in requirement.specifier:
        assert bound.operator == ">=" and oldest >= Version(bound.version)


def test_lower_bounds_are_those_that_are_tested():
    oldest = pinned("constraints-oldest.txt")
    for text in tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]:
        requirement = Requirement(text)
        (bound,) = requirement.specifier
        assert Version(oldest[requirement.name]) == Version(bound.version), text


def test_python_that_is_tested():
    (versions,) = re.findall(
        r"^ +python: \[(.*)\]$", read(".github/workflows/test.yml"), re.MULTILINE
    )
    project = tomllib.loads(read("pyproject.toml"))["project"]
    named = [
        text.rpartition(" ")[2] for text in project["classifiers"] if ":: Python :: 3." in text
    ]
    assert set(named) <= {version.strip(' "') for version in versions.split(",")}
    assert project["requires-python"] == f">={min(named, key=Version)}"
