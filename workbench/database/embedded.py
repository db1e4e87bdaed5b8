"""The embedded PostgreSQL server: made, started and shared without anybody's attention.

Processes share one server per home. Each holds a lock on ``clients.lock`` while it uses the server;
the reaper (`workbench.database.embedded_reaper`) stops the server when the last lock is gone, be it
by `EmbeddedServer.close`, by the end of the process or by ``kill -9``. Starting, attaching and
stopping happen under ``start.lock``, one at a time.

The server listens on a unix socket only. The launcher's account enters it as `workbench` (owner of
the database `workbench`) and as `postgres` without a password, for the kernel tells the server who
is calling; everybody else needs a password.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from workbench.database import embedded_launch, embedded_reaper
from workbench.database.embedded_place import PORT, Place, find_place, find_programs
from workbench.errors import BadSettings, StoreUnavailable

if sys.platform != "win32":
    import fcntl

__all__ = ["EmbeddedServer"]

_LOCK_SECONDS = embedded_launch.START_SECONDS + 60


class EmbeddedServer:
    """The share that one process has in the embedded PostgreSQL server of one home.

    Parameters
    ----------
    home
        Any folder, there or not; the server keeps its files in ``<home>/postgres``.
    """

    def __init__(self, home: Path) -> None:
        if sys.platform == "win32":
            raise BadSettings(
                "There is no embedded database on Windows. "
                "Set WORKBENCH_DATABASE_URL to a PostgreSQL server."
            )
        self._home = Path(home)
        self._place: Place | None = None
        self._share: int | None = None
        self._one_thread = threading.Lock()

    def start(self) -> EmbeddedServer:
        """Start the server or attach to the running one; again, if it died meanwhile.

        Raises
        ------
        BadSettings
            the home, the user or the platform cannot be used.
        WrongDatabase
            the data were made by another major version of PostgreSQL.
        StoreUnavailable
            the server does not start; the message holds what it said.
        """
        with self._one_thread:
            place = self._place = find_place(self._home)
            try:
                with _locked(place):
                    if self._share is None:
                        self._share = place.open("clients.lock", os.O_RDWR)
                        fcntl.flock(self._share, fcntl.LOCK_SH)
                    _ensure_running(place)
            except BaseException as error:
                self.close()
                if isinstance(error, OSError):
                    raise StoreUnavailable(
                        f"The embedded database in {place.folder} cannot be started: {error}."
                    ) from error
                raise
        return self

    def close(self) -> None:
        """Drop this share; the server stops about two seconds after the last one."""
        if self._share is not None:
            os.close(self._share)
            self._share = None

    def __enter__(self) -> EmbeddedServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """URL of the database `workbench` for its owner, for asyncpg as for libpq."""
        return self._url("workbench", "workbench")

    @property
    def admin_url(self) -> str:
        """URL of the database `postgres` for the superuser."""
        return self._url("postgres", "postgres")

    @property
    def administrator_url(self) -> str:
        """URL of the database `workbench` for the superuser."""
        return self._url("postgres", "workbench")

    @property
    def data_directory(self) -> Path:
        return self._known_place.data

    @property
    def socket_directory(self) -> Path:
        return self._known_place.sockets

    @property
    def pid(self) -> int | None:
        """Process id of the server; None if it does not run, 0 if it is in another container."""
        return embedded_reaper.listening_process(self._known_place.socket)

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines that the server said."""
        if self._place is None or not self._place.log.exists():
            return ""
        return "\n".join(embedded_launch.log_after(self._place, 0)[-lines:])

    @property
    def _known_place(self) -> Place:
        if self._place is None:
            raise StoreUnavailable("The embedded database has not been started. Call start().")
        return self._place

    def _url(self, role: str, database: str) -> str:
        # The port is named because PGPORT would change the name of the socket otherwise.
        return (
            f"postgresql://{role}@/{database}"
            f"?host={quote(str(self._known_place.sockets))}&port={PORT}"
        )


@contextmanager
def _locked(place: Place) -> Iterator[None]:
    """Hold ``start.lock``; wait for others who start or stop the server."""
    for name in ("clients.lock", "reaper.lock"):  # the reaper opens them, but makes none
        os.close(place.open(name, os.O_RDWR))
    descriptor = place.open("start.lock", os.O_RDWR)
    try:
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise StoreUnavailable(
                        f"Another process has been starting or stopping the database in "
                        f"{place.folder} for {_LOCK_SECONDS} seconds. Look for it and end it."
                    ) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _ensure_running(place: Place) -> None:
    changed = embedded_launch.write_configuration(place)
    embedded_launch.trim_log(place)
    if not embedded_launch.answers(place):
        embedded_launch.end_what_is_left(place)
    if embedded_launch.answers(place):
        pid = embedded_reaper.listening_process(place.socket)
        if pid and changed:
            os.kill(pid, signal.SIGHUP)
        if not _has_reaper(place):
            embedded_launch.spawn(place, None)
        return
    programs = find_programs(place)
    if place.data.exists():
        embedded_launch.check_version(place, programs)
    else:
        embedded_launch.make_data(place, programs)
    said_before = place.log.stat().st_size
    pid = embedded_launch.spawn(place, programs)
    embedded_launch.wait_until_ready(place, pid, said_before)


def _has_reaper(place: Place) -> bool:
    lock = place.open("reaper.lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
