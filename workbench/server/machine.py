"""What the server needs of the machine it runs on."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress

_OPEN_FILES = 65536
_LONGEST_SOCKET_FOLDER = 40  # a Unix socket's path ends at 107 bytes, a kernel's own part is 60


def open_more_files() -> None:
    """Let this process have as many files open as it may: each page and each browser has some."""
    with suppress(ImportError, OSError, ValueError):  # not on Windows; or not here
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
        if soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def socket_folder() -> str:
    """Return the folder for kernels' sockets: the usual one, unless its path is too long."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= _LONGEST_SOCKET_FOLDER else "/tmp"
