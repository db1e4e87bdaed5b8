"""Two versions of one value become one, or none where they are in each other's way."""

from __future__ import annotations

import pytest

from workbench.widgets.merging import merged

NIGHT = "It was a dark night.\nNobody slept.\nThe sea rose.\n"


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "both"),
    [
        (NIGHT, NIGHT.replace("dark", "bright"), NIGHT.replace("rose", "fell"),
         NIGHT.replace("dark", "bright").replace("rose", "fell")),
        (NIGHT, NIGHT + "The end.", NIGHT.replace("It was", "Once, in"),
         NIGHT.replace("It was", "Once, in") + "The end."),
        (NIGHT, NIGHT.replace("dark", "bright"), NIGHT.replace("dark", "grey"), None),
        (NIGHT, "", NIGHT.replace("dark", "grey"), None),
        (None, "mine", "theirs", None),
        (NIGHT, NIGHT + "The end.", NIGHT + "The end.", NIGHT + "The end."),
        ([], ["a"], ["b"], ["b", "a"]),
        (["a", "b"], ["b"], ["a", "b", "c"], ["b", "c"]),
        ({"age": 14}, {"age": 15}, {"age": 14, "sex": "f"}, {"age": 15, "sex": "f"}),
        ({"age": 14}, {}, {"age": 14, "sex": "f"}, {"sex": "f"}),
        ({"age": 14}, {"age": 15}, {"age": 16}, None),
        ({"age": 14}, {}, {"age": 16}, None),
        (1, 2, 3, None),
        ("x", None, "y", None),
    ],
)  # fmt: skip
def test_both_changes_are_kept_or_nothing_is_said(base, mine, theirs, both):
    assert merged(base, mine, theirs) == both
    if not isinstance(both, list):  # which begins with theirs
        assert merged(base, theirs, mine) == both


def test_long_texts_are_compared_line_by_line_and_endless_ones_not_at_all():
    lines = [f"line {number} of many\n" for number in range(2_000)]
    text = "".join(lines)
    mine, theirs = text.replace("line 7 ", "verse 7 "), text.replace("line 9 ", "verse 9 ")
    assert merged(text, mine, theirs) == mine.replace("line 9 ", "verse 9 ")
    assert merged("a\n" * 5_000, "b\n" * 5_000, "c\n" * 5_000) is None
