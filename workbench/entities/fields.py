"""The kinds of value a field can hold, each with its rule; `composite` has those of several.

A rule is stated once, there or here, and used three times: pydantic applies it to one value
(`clean`, then `problem`), imports apply it to a whole column (`workbench.transfer.checks`
finds the offending cells, `problem` words the message), forms and grids show its limits.
A test proves that row and column agree.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from workbench.entities.characters import BLANKS, INVISIBLE

NAME_CHARACTERS = 255
INTEGER_MAXIMUM = 2**31 - 1  # PostgreSQL's integer

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SHOWS = re.compile(f"[^{BLANKS}{INVISIBLE}]")
_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})


@dataclass(frozen=True)
class Kind:
    """What a field holds: how it is cleaned, what is wrong with it, what it is called."""

    word: ClassVar[str]

    def read(self, text: str) -> Any:
        """Return the value that `text`, a cell of a file, stands for; ValueError if none."""
        return text

    def write(self, value: Any) -> str:
        """Return the text that `read` turns back into `value`."""
        return str(value)

    def clean(self, value: Any) -> Any:
        """Return `value` in its one canonical form; None where it is no value at all."""
        return value

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a cleaned `value`, as a sentence, or None."""
        return None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def check(value: Any) -> Any:
            if value is None:  # a field that allows it says `| None`, which comes before this
                raise PydanticCustomError("rule", "This must not be empty.")
            cleaned = self.clean(value)
            message = self.problem(cleaned)
            if message:
                raise PydanticCustomError("rule", "{message}", {"message": message})
            return cleaned

        return core_schema.no_info_plain_validator_function(check)


@dataclass(frozen=True)
class Text(Kind):
    """Text; `one_line` text is trimmed, shows something and holds no control characters."""

    word: ClassVar[str] = "text"
    max_length: int | None = None
    one_line: bool = True
    blank: bool = True

    def clean(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = unicodedata.normalize("NFC", value)
        if self.one_line:
            text = text.strip()
        return text if text or not self.blank else None

    def problem(self, value: Any) -> str | None:
        if value is None:
            return None if self.blank else "This must not be empty."
        if not isinstance(value, str):
            return f"This must be text, not {type(value).__name__}."
        if not self.blank and not value.strip():
            return "This must not be blank."
        if "\x00" in value:
            return "This holds a NUL character, which PostgreSQL cannot store. Take it out."
        if self.one_line and _CONTROL.search(value):
            return "This holds a control character such as a line break or a tab. Take it out."
        if self.one_line and value and not _SHOWS.search(value):
            return "This shows nothing: all its characters are invisible. Write some that show."
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            return "This holds half a character (a lone surrogate). Take it out."
        if self.max_length is not None and len(value) > self.max_length:
            return f"This has {len(value)} characters; at most {self.max_length} fit."
        return None


@dataclass(frozen=True)
class Address(Text):
    """An e-mail address; the case of its letters does not matter."""

    word: ClassVar[str] = "text"

    def problem(self, value: Any) -> str | None:
        message = super().problem(value)
        if message is None and value is not None and not _EMAIL.fullmatch(value):
            return "This is not an e-mail address."
        return message


@dataclass(frozen=True)
class Digest(Kind):
    """A SHA-256 in hexadecimal digits."""

    word: ClassVar[str] = "text"

    def clean(self, value: Any) -> Any:
        return (value.strip().lower() or None) if isinstance(value, str) else value

    def problem(self, value: Any) -> str | None:
        if value is None or (isinstance(value, str) and _DIGEST.fullmatch(value)):
            return None
        return "This must be a SHA-256: 64 digits from 0 to f."


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number that fits into PostgreSQL's integer."""

    word: ClassVar[str] = "integer"
    minimum: int = -INTEGER_MAXIMUM
    maximum: int = INTEGER_MAXIMUM

    def read(self, text: str) -> int:
        text = text.strip()
        if not _WHOLE.fullmatch(text):
            raise ValueError("This is not a whole number.")
        # Longer ones are out of range anyway, and Python refuses to read very long ones.
        sign = "-" if text.startswith("-") else ""
        return int(sign + (text.lstrip("+-").lstrip("0")[:32] or "0"))

    def clean(self, value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if hasattr(value, "__index__") and not isinstance(value, bool):
            return value.__index__()
        return value

    def problem(self, value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            return "This must be a whole number."
        if value < self.minimum:
            return f"This must be at least {self.minimum}."
        if value > self.maximum:
            return f"This must be at most {self.maximum}."
        return None


@dataclass(frozen=True)
class Number(Kind):
    """A finite number, double precision."""

    word: ClassVar[str] = "number"
    minimum: float | None = None
    maximum: float | None = None

    def read(self, text: str) -> float:
        text = text.strip()
        if not _NUMBER.fullmatch(text):
            raise ValueError("This is not a number (write 1234.5).")
        return float(text)

    def write(self, value: Any) -> str:
        return repr(float(value))

    def clean(self, value: Any) -> Any:
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            return value
        try:
            return float(value)
        except OverflowError:  # a whole number of over 300 digits
            return math.inf

    def problem(self, value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, float):
            return "This must be a number."
        if not math.isfinite(value):
            return "This must be a finite number."
        if self.minimum is not None and value < self.minimum:
            return f"This must be at least {self.minimum:g}."
        if self.maximum is not None and value > self.maximum:
            return f"This must be at most {self.maximum:g}."
        return None


@dataclass(frozen=True)
class Flag(Kind):
    """True or false."""

    word: ClassVar[str] = "boolean"

    def read(self, text: str) -> bool:
        word = text.strip().casefold()
        if word not in _TRUE | _FALSE:
            raise ValueError("This must be true or false.")
        return word in _TRUE

    def write(self, value: Any) -> str:
        return "true" if value else "false"

    def clean(self, value: Any) -> Any:
        if type(value).__name__ in ("bool_", "bool"):  # NumPy's as well
            return bool(value)
        return value

    def problem(self, value: Any) -> str | None:
        return None if value is None or isinstance(value, bool) else "This must be true or false."


@dataclass(frozen=True)
class Choice(Kind):
    """One word of a list."""

    word: ClassVar[str] = "choice"
    options: tuple[str, ...] = ()

    def clean(self, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    def problem(self, value: Any) -> str | None:
        if value is None or (isinstance(value, str) and str(value) in self.options):
            return None
        return f"This must be one of {', '.join(self.options)}."


@dataclass(frozen=True)
class Reference(Kind):
    """The id of a record of the entity `target`."""

    word: ClassVar[str] = "reference"
    target: str = ""

    def read(self, text: str) -> UUID:
        try:
            return UUID(text.strip())
        except ValueError:
            raise ValueError("This is not an id (a UUID).") from None

    def clean(self, value: Any) -> Any:
        if isinstance(value, str):
            try:
                return UUID(value.strip())
            except ValueError:
                return value
        if isinstance(value, bytes) and len(value) == 16:
            return UUID(bytes=value)
        return value

    def problem(self, value: Any) -> str | None:
        if value is None or isinstance(value, UUID):
            return None
        return f"This must be the id (a UUID) of a {self.target}."


@dataclass(frozen=True)
class Bytes(Kind):
    """Bytes, such as those of a picture."""

    word: ClassVar[str] = "bytes"
    maximum_bytes: int = 0

    def problem(self, value: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, bytes):
            return "This must be bytes."
        if not value:
            return "This is empty: a file of no bytes."
        if len(value) > self.maximum_bytes:
            return f"This has {len(value):,} bytes; at most {self.maximum_bytes:,} fit."
        return None
