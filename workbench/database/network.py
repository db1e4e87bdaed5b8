"""Networks that fall silent: a connection whose other end is gone is told apart from a slow one."""

from __future__ import annotations

import socket

import asyncpg

SILENT_SECONDS = 30
"""For so long a network may be gone: then its connections count as broken."""

_QUIET_SECONDS = 15  # after which the other end is asked whether it is there
_ASKED_SECONDS = 5  # between one question and the next

_QUESTIONS = (SILENT_SECONDS - _QUIET_SECONDS) // _ASKED_SECONDS

SERVER_SETTINGS = {
    "tcp_keepalives_idle": str(_QUIET_SECONDS),
    "tcp_keepalives_interval": str(_ASKED_SECONDS),
    "tcp_keepalives_count": str(_QUESTIONS),
}
"""What makes the server notice it too, and undo what was under way; nothing on a Unix socket."""

LIBPQ_OPTIONS = {
    "keepalives_idle": str(_QUIET_SECONDS),
    "keepalives_interval": str(_ASKED_SECONDS),
    "keepalives_count": str(_QUESTIONS),
    "tcp_user_timeout": str(SILENT_SECONDS * 1000),
}
"""The same for connections through libpq, in their address."""

# What a platform calls it: Linux, and macOS for the first.
_IDLE = getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None))
_OPTIONS = (
    (_IDLE, _QUIET_SECONDS),
    (getattr(socket, "TCP_KEEPINTVL", None), _ASKED_SECONDS),
    (getattr(socket, "TCP_KEEPCNT", None), _QUESTIONS),
    (getattr(socket, "TCP_USER_TIMEOUT", None), SILENT_SECONDS * 1000),
)


def notice_silence(connection: asyncpg.Connection) -> None:
    """Have the operating system end `connection` when nothing answers for `SILENT_SECONDS`.

    Without it whoever waits for an answer over a network that is gone waits for ever.
    """
    # asyncpg 0.32 gives its socket in no other way, and takes none.
    sock = connection._transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _OPTIONS:
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
