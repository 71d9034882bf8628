"""Settings of the documentation: ``make docs``."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]
os.environ.setdefault("MPLBACKEND", "Agg")

import skrobust  # noqa: E402

project = "skrobust"
author = "skrobust developers"
copyright = author
release = version = skrobust.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "skrobust_docs",
]
exclude_patterns = ["_build", "_ext"]
templates_path = ["_templates"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(sklearn|skorch)\..*")]  # others' names are not looked up

autosummary_generate = True
autodoc_typehints = "none"  # docstrings give types, shapes and units
autodoc_preserve_defaults = True
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template of a class lists its methods
numpydoc_class_members_toctree = False

html_theme = "alabaster"
html_theme_options = {
    "description": "Train deep networks on data you do not trust",
    "fixed_sidebar": True,
    "page_width": "1100px",
    "body_max_width": "850px",
    "sidebar_width": "250px",
    "sidebar_collapse": True,
    "font_family": "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif",
    "head_font_family": "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif",
    "font_size": "16px",
    "link": "#1b5e94",
    "link_hover": "#0b3557",
    "show_relbar_bottom": True,
    "show_powered_by": False,
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_title = f"skrobust {release}"
html_static_path = ["_static"]
html_css_files = ["skrobust.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"  # no script, no network
