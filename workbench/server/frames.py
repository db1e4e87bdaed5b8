"""What a message from the browser to a kernel is, and whether it may go there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

PROTOCOL = "v1.kernel.websocket.jupyter.org"

_MAX_PARTS = 1000  # a channel, four of JSON, and buffers
_MAX_JSON_BYTES = 64 * 1024  # of what is looked at here; what widgets say is not
_MAX_ID_CHARACTERS = 64

_ALLOWED = {"comm_open", "comm_msg", "comm_close", "comm_info_request", "kernel_info_request"}
_HEADER = {"msg_id", "msg_type", "session", "username", "date", "version"}
# Opening `jupyter.widget` would let the browser make any registered widget class in the kernel.
_COMM_TARGET = "jupyter.widget.control"


class BadFrame(Exception):
    """A message that is not laid out as the v1 protocol says."""


@dataclass(frozen=True)
class Said:
    """What a message from the browser is."""

    id: str
    refusal: str | None
    """Why it may not go to the kernel, or None if it may."""


def said(frame: object) -> Said:
    """Return what a message is.

    A frame is a count, that many little-endian 64-bit offsets, and the parts they separate:
    channel, header, parent header, metadata, content, buffers. Another reader must find the same
    in it, so there is one way to lay it out, and no key comes twice.

    Raises
    ------
    BadFrame
        The message is no frame of the v1 protocol.
    """
    parts = _parts(frame)
    try:
        channel, header = parts[0].decode(), _json(parts[1])
        kind, message_id = header["msg_type"], header["msg_id"]
        if not set(header) <= _HEADER or not all(isinstance(v, str) for v in header.values()):
            raise BadFrame
        if not 0 < len(message_id) <= _MAX_ID_CHARACTERS:
            raise BadFrame
        target = _json(parts[4]).get("target_name") if kind == "comm_open" else _COMM_TARGET
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadFrame from None
    if channel != "shell":
        return Said(message_id, f"channel {channel[:_MAX_ID_CHARACTERS]!r}")
    if kind not in _ALLOWED:
        return Said(message_id, f"message {kind[:_MAX_ID_CHARACTERS]!r}")
    if target != _COMM_TARGET:
        return Said(message_id, f"comm target {str(target)[:_MAX_ID_CHARACTERS]!r}")
    return Said(message_id, None)


def refusal(frame: object) -> str | None:
    """Return why a message may not go to the kernel, or None if it may."""
    return said(frame).refusal


def _parts(frame: object) -> list[bytes]:
    """Return the parts of a frame, which must follow one another and fill it.

    Parts that overlap would make gigabytes of a small message.
    """
    if not isinstance(frame, bytes):
        raise BadFrame
    count = int.from_bytes(frame[:8], "little")
    start = 8 * (count + 1)
    if not 6 <= count <= _MAX_PARTS or start > len(frame):
        raise BadFrame
    offsets = [int.from_bytes(frame[i : i + 8], "little") for i in range(8, start, 8)]
    if (offsets[0], offsets[-1]) != (start, len(frame)) or offsets != sorted(offsets):
        raise BadFrame
    return [frame[a:b] for a, b in pairwise(offsets)]


def _json(part: bytes) -> Any:
    if len(part) > _MAX_JSON_BYTES:
        raise BadFrame
    # Decoded here: given bytes, json also reads UTF-16, which the kernel does not.
    return json.loads(part.decode(), object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise BadFrame
    return found
