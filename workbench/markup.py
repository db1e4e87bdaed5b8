"""What notebooks show of our objects: small HTML tables, every text escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any

__all__ = ["cell", "paragraph", "table"]

_CELL_CHARACTERS = 100
_SHOWN_ROWS = 50
_CODE = re.compile(r"`([^`\s]+)`")
_LEFT = 'style="text-align: left"'  # JupyterLab's own tables are of numbers


def table(headings: Sequence[str], rows: Sequence[Iterable[object]], *, more: str = "") -> str:
    """Return an HTML table of the first 50 rows; `more` says where the others are, if any."""
    head = "".join(f"<th {_LEFT}>{escape(heading)}</th>" for heading in headings)
    body = "".join(
        f"<tr>{''.join(f'<td {_LEFT}>{escape(cell(value))}</td>' for value in row)}</tr>"
        for row in rows[:_SHOWN_ROWS]
    )
    made = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    left_out = len(rows) - _SHOWN_ROWS
    if left_out <= 0:
        return made
    return made + paragraph(f"… and {left_out:,} more rows. {more}".strip())


def paragraph(text: str) -> str:
    """Return a line of text under a table; what stands between backticks in it is code.

    >>> paragraph("All are in `.problems`.")
    '<p>All are in <code>.problems</code>.</p>'
    """
    words = _CODE.sub(r"<code>\1</code>", escape(text))
    return f"<p>{words}</p>"


def cell(value: Any) -> str:
    """Return `value` as people read it, in at most 100 characters."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S %Z}"
    if isinstance(value, list | tuple):
        text = "; ".join(map(str, value))
    elif isinstance(value, dict):
        text = ", ".join(f"{key}: {held}" for key, held in value.items())
    else:
        text = str(value)
    return text if len(text) <= _CELL_CHARACTERS else f"{text[: _CELL_CHARACTERS - 1]}…"
