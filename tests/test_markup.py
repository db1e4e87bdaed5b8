"""HTML for notebooks."""

from __future__ import annotations

from workbench.markup import table


def test_script_text_is_shown_as_text():
    assert "<script" not in table(["<script>"], [["<script>alert(1)</script>"]])


def test_a_long_table_says_how_much_is_left_out():
    made = table(["n"], [[n] for n in range(60)], more="All are in `.problems`.")
    assert "… and 10 more rows. All are in `.problems`." in made
    assert made.count("<td") == 50
