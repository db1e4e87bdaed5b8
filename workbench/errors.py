"""Every error that workbench raises on purpose.

* WorkbenchError
  x BadSettings          a setting (WORKBENCH_*) cannot be used
  x StoreUnavailable     the database does not answer, refuses, or went away
    + WrongDatabase      it answers, but its version or its schema does not fit
  x SignInRefused        somebody could not be signed in
  x NotFound             no such record, or it may not be seen
  x Ambiguous            a name that fits several records
  x StaleRecord          somebody else saved first; carries the current record
  x Conflict             the database undid the work because of another's; safe to repeat
  x PlanMoved            a plan that would do something else by now; carries the difference
  x Refused              a rule of the data says no
    + InvalidDraft       a value breaks a rule of its field
    + DuplicateName      the name is taken
    + MissingReference   a reference points nowhere, or into another world
    + StillInUse         other records need this one
    + InTheTrash         the record, or what contains it, is in the trash
    + NotAllowed         the signed-in user may not do this
  x UnknownField         no such field: in a filter, an order, a change, a frame
  x InvalidRows          rows of a frame or file break rules; lists every one
  x UnreadableFile       a file that cannot be read as what it claims to be

A message is a sentence: the thing, the value, the way out. It never holds a password,
a token or a database URL. The attributes carry the same for programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

__all__ = [
    "Ambiguous",
    "BadSettings",
    "Conflict",
    "DuplicateName",
    "InTheTrash",
    "InvalidDraft",
    "InvalidRows",
    "MissingReference",
    "NotAllowed",
    "NotFound",
    "PlanMoved",
    "Problem",
    "Refused",
    "SignInRefused",
    "StaleRecord",
    "StillInUse",
    "StoreUnavailable",
    "UnknownField",
    "UnreadableFile",
    "WorkbenchError",
    "WrongDatabase",
    "error_of",
    "problem_lines",
]

_SHOWN_CHARACTERS = 80
_SHOWN_PROBLEMS = 5
_ALIKE = 3  # rows of which each is told, though the same is wrong with them


def shown(value: object) -> str:
    """Return `value` as a message shows it: quoted, on one line, cut after 80 characters.

    >>> shown("Elsinore")
    "'Elsinore'"
    >>> len(shown("x" * 5_000))
    82
    """
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS + 2 else text[:_SHOWN_CHARACTERS] + "…'"


class Versioned(Protocol):
    """Anything with a version, such as a record."""

    @property
    def version(self) -> int: ...


class WorkbenchError(Exception):
    """Base class: catch this to catch every error raised on purpose."""


class BadSettings(WorkbenchError):
    """A setting cannot be used; the message names the variable."""


class StoreUnavailable(WorkbenchError):
    """The database does not answer, refuses the connection, or went away meanwhile."""


class WrongDatabase(StoreUnavailable):
    """The database answers, but its version or its schema is not one this package works with."""


class SignInRefused(WorkbenchError):
    """Somebody could not be signed in; the message is for them.

    Parameters
    ----------
    code
        Why, in a word for programs: `denied`, `unreachable`, `misconfigured`, `clock`, ….
    detail
        What the log says besides, for whoever runs the server.
    """

    def __init__(self, message: str, *, code: str, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail


class NotFound(WorkbenchError):
    """No such record, or the signed-in user may not see it."""

    def __init__(self, entity: str, key: object, hint: str = "") -> None:
        super().__init__(f"No {entity} {shown(str(key))}.{' ' + hint if hint else ''}")
        self.entity = entity
        self.key = key


class Ambiguous(WorkbenchError):
    """A name fits several records; say more of the path to it."""

    def __init__(self, entity: str, key: object, hint: str) -> None:
        super().__init__(f"Several records of {entity} are named {shown(str(key))}. {hint}")
        self.entity = entity
        self.key = key


class StaleRecord(WorkbenchError):
    """Somebody else saved the record first; `current` is the record as it is stored now."""

    def __init__(self, entity: str, current: Versioned, *, expected_version: int) -> None:
        super().__init__(
            f"This {entity} was changed meanwhile: your copy is version {expected_version}, "
            f"the stored one is version {current.version}. "
            "Look at the stored one and apply your change again."
        )
        self.entity = entity
        self.current: Any = current
        self.expected_version = expected_version


class Conflict(WorkbenchError):
    """The database undid a transaction because it clashed with another; nothing was written.

    Single calls are repeated by themselves. For a transaction of your own, use
    `Workspace.atomically`, which repeats it, or run it again.
    """


class Refused(WorkbenchError):
    """A rule of the data says no; `field` is the field it concerns, if one is known."""

    def __init__(self, message: str, *, entity: str | None = None, field: str | None = None):
        super().__init__(message)
        self.entity = entity
        self.field = field


class InvalidDraft(Refused):
    """Field values break a rule; `problems` says which, by field name."""

    def __init__(self, problems: Mapping[str, str], *, entity: str | None = None) -> None:
        first = next(iter(problems), None)
        super().__init__(
            " ".join(f"{field}: {message}" for field, message in problems.items()),
            entity=entity,
            field=first,
        )
        self.problems = dict(problems)


class DuplicateName(Refused):
    """Another live record under the same parent has this name."""


class MissingReference(Refused):
    """A reference points to a record that does not exist or belongs to another world."""


class StillInUse(Refused):
    """Other records need this one."""


class InTheTrash(Refused):
    """The record, or what contains it, is in the trash: restore that first."""


class NotAllowed(Refused):
    """The signed-in user may not do this."""


class UnknownField(WorkbenchError):
    """No such field; `known` lists those there are."""

    def __init__(self, entity: str, field: str, known: Iterable[str]) -> None:
        self.entity, self.field, self.known = entity, field, sorted(known)
        near = get_close_matches(field, self.known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(self.known)}."
        super().__init__(f"A {entity} has no field {shown(field)}. {hint}")


_WHOLE = "$"  # how the one value of a JSON file is labelled


@dataclass(frozen=True, slots=True)
class Problem:
    """One bad cell of a file or a frame.

    `row` counts data rows from 1 (the first below the header) in a file, and is the label
    in the index for a frame. None for `row` or `column` means the whole file or row.
    `refused` says that a right is missing, and not that something is wrong with the cell.
    """

    file: str | None
    row: object
    column: str | None
    value: str | None
    message: str
    refused: bool = False

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (
                self.file,
                None if self.row in (None, _WHOLE) else f"row {self.row}",
                self.column,
            )
            if part
        )
        told = self.value is None or shown(self.value) in self.message
        found = "" if told else f" (found {shown(self.value)})"
        return f"{place}: {self.message}{found}" if place else f"{self.message}{found}"


def problem_lines(problems: Sequence[Problem], most: int, more: str) -> list[str]:
    """Return a line for each of the first `most` problems, and one for all others, with `more`.

    What is wrong with many rows in the same way takes one line, so that it hides nothing else.
    """
    alike: dict[tuple[str | None, ...], list[Problem]] = {}
    for problem in problems:
        about = (problem.file, problem.column, problem.value, problem.message)
        alike.setdefault(about, []).append(problem)
    lines: list[str] = []
    told = 0
    for problem in problems:
        if len(lines) == most:
            lines += (
                [f"… and {len(problems) - told:,} more {more}."] if told < len(problems) else []
            )
            break
        same = alike[problem.file, problem.column, problem.value, problem.message]
        if len(same) <= _ALIKE:
            lines.append(str(problem))
            told += 1
        elif same[0] is problem:
            lines.append(f"{problem} The same holds for {len(same) - 1:,} more rows.")
            told += len(same)
    return lines


class InvalidRows(WorkbenchError):
    """Rows of a frame or a file break rules; `problems` lists them all. Nothing was written."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines = problem_lines(problems, _SHOWN_PROBLEMS, "in `.problems`")
        super().__init__("Nothing was written. " + "\n".join(lines))
        self.problems = list(problems)


def error_of(problems: Sequence[Problem]) -> InvalidRows | NotAllowed:
    """Return the error for `problems`: NotAllowed if rights alone are in the way."""
    if not problems or not all(problem.refused for problem in problems):
        return InvalidRows(problems)
    lines = list(dict.fromkeys(problem.message for problem in problems))
    more = len(lines) - _SHOWN_PROBLEMS
    if more > 0:
        lines[_SHOWN_PROBLEMS:] = [f"… and {more} more like these."]
    return NotAllowed("\n".join(lines))


class PlanMoved(WorkbenchError):
    """A plan cannot be applied as it shows; `differences` says what is otherwise by now."""

    def __init__(self, differences: Sequence[Problem]) -> None:
        lines = [str(problem) for problem in differences[:_SHOWN_PROBLEMS]]
        if len(differences) > _SHOWN_PROBLEMS:
            lines.append(f"… and {len(differences) - _SHOWN_PROBLEMS} more in `.differences`.")
        super().__init__(
            "The world has moved since this plan was made, so nothing was written. "
            "Make the plan again.\n" + "\n".join(lines)
        )
        self.differences = list(differences)


class UnreadableFile(WorkbenchError):
    """A file cannot be read as what it claims to be."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(f"{file}: {message}")
        self.file = file
