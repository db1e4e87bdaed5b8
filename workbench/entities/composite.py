"""The kinds of value that hold several: short texts, and a JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from workbench.entities.fields import NAME_CHARACTERS, Kind, Text

JSON_LEVELS = 100  # far below the 1,000 or so at which Python itself gives up
_TOO_DEEP = f"This is nested too deep: at most {JSON_LEVELS} levels fit."


@dataclass(frozen=True)
class Labels(Kind):
    """A list of short texts. In a file: `a; b`, or a JSON list."""

    word: ClassVar[str] = "tags"

    _label: ClassVar[Text] = Text(max_length=NAME_CHARACTERS, blank=False)

    def read(self, text: str) -> list[str]:
        if not text.lstrip().startswith("["):
            return [part.strip() for part in text.split(";") if part.strip()]
        try:
            return json.loads(text)  # type: ignore[no-any-return]  # `problem` looks at it
        except (ValueError, RecursionError):
            raise ValueError('This is not a list (write a; b or ["a", "b"]).') from None

    def write(self, value: Sequence[str]) -> str:
        plain = all(";" not in label for label in value) and not (
            value and value[0].startswith("[")
        )
        return "; ".join(value) if plain else json.dumps(list(value), ensure_ascii=False)

    def clean(self, value: Any) -> Any:
        if value is None or isinstance(value, str | bytes | Mapping):
            return value
        try:
            return [self._label.clean(label) for label in value]
        except TypeError:
            return value

    def problem(self, value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, list):
            return "This must be a list of short texts."
        for label in value:
            message = self._label.problem(label)
            if message:
                return f"One of these is wrong: {message}"
        return None


@dataclass(frozen=True)
class Attributes(Kind):
    """A JSON object of fields that no column is there for."""

    word: ClassVar[str] = "json"

    def read(self, text: str) -> Any:
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        except ValueError:
            raise ValueError('This is not a JSON object such as {"house": "Stark"}.') from None

    def write(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)

    def problem(self, value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            return 'This must be an object such as {"house": "Stark"}.'
        try:
            text = json.dumps(value, allow_nan=False)
        except RecursionError:
            return _TOO_DEEP
        except (TypeError, ValueError):
            return "This holds something JSON has no word for, such as NaN or a date."
        if _too_deep(value):
            return _TOO_DEEP
        if _odd_names(value):
            return 'The names in an object must be text, as in {"house": "Stark"}.'
        if "\\u0000" in text.replace("\\\\", ""):
            return "This holds a NUL character, which PostgreSQL cannot store. Take it out."
        if "\\ud" in text.lower() and _lone_surrogate(value):
            return "This holds half a character (a lone surrogate). Take it out."
        return None


def _refuse_constant(word: str) -> float:
    raise ValueError(word)


def _too_deep(value: object) -> bool:
    """Whether objects and lists in `value` lie deeper in one another than may be."""
    level = [value]
    for _ in range(JSON_LEVELS):
        below: list[object] = []
        for one in level:
            if isinstance(one, dict):
                below.extend(one.values())
            elif isinstance(one, list | tuple):
                below.extend(one)
        level = below
    return any(isinstance(one, dict | list | tuple) for one in level)


def _odd_names(value: object) -> bool:
    """Whether an object somewhere in `value` has a name that JSON would turn into text."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if not all(isinstance(name, str) for name in one):
                return True
            left.extend(one.values())
        elif isinstance(one, list | tuple):
            left.extend(one)
    return False


def _lone_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
