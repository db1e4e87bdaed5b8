"""Characters that show nothing, or that turn the writing of others."""

from __future__ import annotations

BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
"""What `str.strip` takes away."""

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""What takes no place on a page, as ranges: Unicode's Default_Ignorable_Code_Point."""

_TURNS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def unturned(text: str) -> str:
    r"""Return `text` as it is shown: without marks that turn the writing of what follows them.

    Names may hold them, and one that does must not mirror what stands beside it.

    >>> unturned("Eve\u202e (owner)")
    'Eve (owner)'
    """
    return text if text.isascii() else text.translate(_TURNS)
