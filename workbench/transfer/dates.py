"""Dates as far as they are known: a year, a month of it, a day of that.

No table has a column for them; they are kept in `attributes`, as they are written. What is called
a date and is none is pointed out all the same: 31 February, or 03/04/1805, which two readers
would read in two ways.
"""

from __future__ import annotations

import re
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from workbench.transfer.checks import is_text

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)
CALLED_DATE = r"(^|[^a-z])dates?([^a-z]|$)"
"""As `tells_dates`, for PostgreSQL and names in lower case."""

CERTAIN_DATE = (
    r"^\d{4}(-(0[1-9]|1[0-2])|-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])"
    r"|-(0[13-9]|1[0-2])-(29|30)|-(0[13578]|1[02])-31)?$"
)
"""For PostgreSQL: texts that `is_date` is true of, but for times of day and 29 February."""

_WRONG = "This is no date. Write it as 1801-06-14, 1801-06 or 1801."


def tells_dates(header: str) -> bool:
    """Whether a column of this name holds dates.

    >>> tells_dates("date_premiered"), tells_dates("birth date"), tells_dates("updated")
    (True, True, False)
    """
    return re.search(CALLED_DATE, header.casefold()) is not None


def is_date(text: str) -> bool:
    """Whether `text` is a date that the calendar has, with or without the time of day.

    >>> is_date("1801"), is_date("1801-06"), is_date("1999-02-31"), is_date("1801?")
    (True, True, False, False)
    """
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return False
    year, month, day = (int(part or 1) for part in found.groups())
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def wrong_dates(cells: pa.Array) -> dict[int, str]:
    """Return which texts are no dates, by index, in words."""
    if not is_text(cells):
        return {}
    distinct = pc.unique(cells)
    wrong = [text for text in distinct.to_pylist() if text and text.strip() and not is_date(text)]
    if not wrong:
        return {}
    bad = pc.is_in(cells, value_set=pa.array(wrong, cells.type))
    return dict.fromkeys(pc.indices_nonzero(bad).to_pylist(), _WRONG)
