"""HTML for notebooks."""

from __future__ import annotations

import re
from pathlib import Path

import workbench
from workbench.markup import table


def test_script_text_is_shown_as_text():
    assert "<script" not in table(["<script>"], [["<script>alert(1)</script>"]])


def test_a_long_table_says_how_much_is_left_out():
    made = table(["n"], [[n] for n in range(60)], more="All are in `.problems`.")
    assert "… and 10 more rows. All are in <code>.problems</code>." in made
    assert made.count("<td") == 50


def test_no_widget_reads_the_text_of_users_as_html():
    """Labels and fields of ipywidgets show text as it is; headings of a form are escaped."""
    reading = re.compile(r"\b(?:HTML|HTMLMath)\((?!f?\"<h2>\{escape\()|allow_html")
    package = Path(workbench.__file__).parent
    files = [path for path in package.rglob("*.py") if "node_modules" not in path.parts]
    assert [path.name for path in files if reading.search(path.read_text("utf-8"))] == []
    assert any('HTML(f"<h2>{escape(' in path.read_text("utf-8") for path in files)
