"""Pages of results: text is escaped, pictures are inside, a value that is lacking is an error."""

import base64

import pytest
from jinja2 import UndefinedError

from benchmarks._pages import embedded, render

TEMPLATE = """{% extends "page.html" %}
{% block title %}{{ title }}{% endblock %}
{% block body %}<p>{{ text }}</p>{% endblock %}"""


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "own.html"
    path.write_text(TEMPLATE, encoding="utf-8")
    return path


def test_text_is_escaped(template):
    page = render(template, title="a & b", text='<script>x("y")</script>')
    assert "<title>a &amp; b</title>" in page
    assert "<p>&lt;script&gt;x(&#34;y&#34;)&lt;/script&gt;</p>" in page
    assert "<script" not in page


def test_the_page_says_what_rendered_it_and_needs_nothing_else(template):
    page = render(template, title="", text="")
    assert "<style>" in page and "scikit-learn " in page and ", commit " in page
    assert "src=" not in page and "href=" not in page and "http" not in page


def test_a_value_that_is_lacking_is_an_error(template):
    with pytest.raises(UndefinedError, match="text"):
        render(template, title="")


def test_pictures_are_embedded(tmp_path):
    (tmp_path / "a.png").write_bytes(b"picture")
    head, _, data = embedded(tmp_path / "a.png").partition(",")
    assert head == "data:image/png;base64" and base64.b64decode(data) == b"picture"
    assert embedded(tmp_path / "none.png") == ""
