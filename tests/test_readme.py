"""The README's tables are those of the committed results, and its examples run."""

import re
from pathlib import Path

import pytest

from benchmarks.thesis import readme

README = Path(__file__).parent.parent / "README.md"


def examples():
    text = README.read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    for section in sections:
        for code in re.findall(r"^```python\n(.*?)^```", section, flags=re.DOTALL | re.MULTILINE):
            yield pytest.param(code, id=section.splitlines()[0])


def test_tables_are_those_of_the_committed_results():
    text = README.read_text(encoding="utf-8")
    assert readme.fill(text) == text, "run python -m benchmarks.thesis.readme"


def test_a_text_without_markers_is_refused():
    with pytest.raises(ValueError, match="people: begin"):
        readme.fill("no markers")


@pytest.mark.slow
@pytest.mark.parametrize("code", list(examples()))
@pytest.mark.filterwarnings("ignore:.*cannot be relied on")
def test_examples_run(code):
    exec(compile(code, str(README), "exec"), {})


def test_pictures_are_there():
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / name).exists()
