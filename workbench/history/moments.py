"""Moments, as somebody says them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TypeAlias

from workbench.errors import InvalidDraft, shown

__all__ = ["Moment", "moment"]

Moment: TypeAlias = datetime | date | str
"""A time; without a zone it is in UTC, as all that are shown. A day is its beginning."""


def moment(said: Moment, name: str = "moment") -> datetime:
    """Return the time that is said.

    >>> moment("2026-01-31 18:00")
    datetime.datetime(2026, 1, 31, 18, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        found: object = datetime.fromisoformat(said) if isinstance(said, str) else said
    except ValueError:
        found = None
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day, tzinfo=UTC)
    if not isinstance(found, datetime) or found != found:  # pandas' NaT is one, and equals nothing
        raise InvalidDraft(
            {name: f"This is a time, such as '2026-01-31 18:00', not {shown(said)}."}
        )
    return found if found.tzinfo else found.replace(tzinfo=UTC)
