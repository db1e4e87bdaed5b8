"""Making, starting and clearing away the embedded server; the caller holds ``start.lock``."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.database import embedded_reaper
from workbench.database.embedded_place import PORT, Place
from workbench.errors import StoreUnavailable, WrongDatabase

if TYPE_CHECKING:
    import psutil

if sys.platform != "win32":
    import pwd

GRACE_SECONDS = 2.0
START_SECONDS = 300  # recovery after a crash reads up to max_wal_size again
_ORPHAN_SECONDS = 30
_MAX_LOG_BYTES = 10_000_000
_KEPT_LOG_BYTES = 100_000
_LITTLE_DISK_BYTES = 200_000_000

# Nothing of the caller's environment: it may hold secrets, a LANG that is not installed, PG*.
_ENVIRONMENT = {"LC_ALL": "C", "LANG": "C", "TZ": "UTC", "PATH": os.defpath}

_INITDB = (
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--auth-local=peer",
    "--auth-host=reject",
)

# One statement a line: PostgreSQL's single-user mode takes it so.
_FIRST_STATEMENTS = b"""\
CREATE ROLE workbench LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE
CREATE DATABASE workbench OWNER workbench
REVOKE ALL ON DATABASE workbench, postgres, template1 FROM PUBLIC
"""

_SETTINGS = """\
# Written by workbench at every start. For settings of your own use ALTER SYSTEM.
listen_addresses = ''
max_connections = 400
# Kept for the server itself, so that users cannot take every connection.
reserved_connections = 20
shared_buffers = '256MB'
max_wal_size = '4GB'
jit = off
client_connection_check_interval = '1s'
lc_messages = 'C'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
log_checkpoints = off
# 'log' is above 'error': refused statements hold the users' data and would fill the disk.
log_min_messages = log
"""

_ACCESS_RULES = """\
# Written by workbench at every start. No line for TCP: the server does not listen there.
local all postgres,workbench peer map=launcher
local all all scram-sha-256
"""


def answers(place: Place) -> bool:
    """Tell whether the server takes sessions: it says so in its pid file, and it listens."""
    return _says_ready(place) and embedded_reaper.listening_process(place.socket) is not None


def _says_ready(place: Place) -> bool:
    try:
        said = (place.data / "postmaster.pid").read_text(errors="replace").split("\n")
    except FileNotFoundError:
        return False
    return len(said) > 7 and said[7].strip() == "ready"


def write_configuration(place: Place) -> bool:
    """Write settings and access rules where they are not as wanted; tell whether any was not."""
    launchers = sorted({place.account.name, pwd.getpwuid(0).pw_name})
    users = "".join(
        f'launcher "{name}" {role}\n' for name in launchers for role in ("postgres", "workbench")
    )
    wanted = {
        "postgresql.conf": _SETTINGS,
        "pg_hba.conf": _ACCESS_RULES,
        "pg_ident.conf": f"# Written by workbench: who may enter without a password.\n{users}",
    }
    changed = False
    for name, text in wanted.items():
        # Readable by all, for the server's account may be another one. Nothing in it is secret.
        with os.fdopen(place.open(name, os.O_RDWR, 0o644), "r+", encoding="utf-8") as file:
            if file.read() != text:
                changed = True
                file.seek(0)
                file.truncate()
                file.write(text)
    return changed


def trim_log(place: Place) -> None:
    with os.fdopen(place.open("server.log", os.O_RDWR), "r+b") as log:
        if log.seek(0, os.SEEK_END) > _MAX_LOG_BYTES:
            log.seek(-_KEPT_LOG_BYTES, os.SEEK_END)
            kept = log.read().partition(b"\n")[2]
            log.seek(0)
            log.truncate()
            log.write(kept)


def log_after(place: Place, start: int) -> list[str]:
    with os.fdopen(place.open("server.log", os.O_RDONLY), "rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(start, size - _KEPT_LOG_BYTES))
        return log.read().decode("utf-8", errors="replace").splitlines()


def _left_process(place: Place) -> psutil.Process | None:
    """Return the server of the pid file if it really is a process that works in our data."""
    import psutil

    try:
        said = (place.data / "postmaster.pid").read_text(errors="replace")
        process = psutil.Process(int(said.split("\n")[0]))
        if process.status() == psutil.STATUS_ZOMBIE or process.cwd() != os.path.realpath(
            place.data
        ):
            return None
    except (OSError, ValueError, psutil.Error):
        return None
    return process


def end_what_is_left(place: Place) -> None:
    """Wait for a server that starts or stops, end one that is out of reach, clear a stale pid file.

    A pid file may name a process that is gone, or that is somebody else's by now.
    """
    import psutil

    pid_file = place.data / "postmaster.pid"
    end = time.monotonic() + START_SECONDS
    while (process := _left_process(place)) is not None and time.monotonic() < end:
        if answers(place):
            return
        if _says_ready(place):  # alive, but its socket was removed
            embedded_reaper.stop(process.pid, place.data)
        time.sleep(0.02)
    if process is not None:
        raise _still_starting(place)
    if not pid_file.exists():
        _clear_socket(place)
        return
    # The sessions of a killed server may still be at work; two servers would ruin the data.
    data = os.path.realpath(place.data)
    orphans = [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == data]
    for orphan in orphans:
        orphan.send_signal(signal.SIGQUIT)
    _, alive = psutil.wait_procs(orphans, timeout=_ORPHAN_SECONDS)
    if alive:
        raise StoreUnavailable(
            f"Processes of an earlier server still work in {place.data}: "
            f"{', '.join(str(process.pid) for process in alive)}. End them and start again."
        )
    pid_file.unlink(missing_ok=True)
    _clear_socket(place)


def _clear_socket(place: Place) -> None:
    """Remove the socket of a server that is gone: its lock may name a pid that lives on."""
    for path in (place.socket, place.socket.with_name(f"{place.socket.name}.lock")):
        path.unlink(missing_ok=True)


def check_version(place: Place, programs: Path) -> None:
    try:
        found = (place.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise WrongDatabase(
            f"{place.data} is not a data directory of PostgreSQL. "
            "Move it away to start with an empty database."
        ) from None
    with (programs / "share" / "postgres.bki").open() as catalog:
        ours = catalog.readline().split()[-1]  # "# PostgreSQL 18"
    if found != ours:
        raise WrongDatabase(
            f"The data in {place.data} were made by PostgreSQL {found}, this is PostgreSQL {ours}. "
            f"Back them up with the workbench that made them and restore them here, or move "
            f"{place.data} away to start with an empty database."
        )


def make_data(place: Place, programs: Path) -> None:
    """Make the data directory with role and database; it appears under its name when complete."""
    for left in place.folder.glob("data.unfinished-*"):  # somebody was killed here
        shutil.rmtree(left, ignore_errors=True)
    # A name of its own: initdb of whoever was killed may still be writing under the earlier one.
    unfinished = place.folder / f"data.unfinished-{secrets.token_hex(4)}"
    place.make_private(unfinished)
    _run(place, programs, ["initdb", *_INITDB, f"--pgdata={unfinished}"])
    single_user = ["postgres", "--single", "-D", str(unfinished), "-c", "exit_on_error=true"]
    _run(place, programs, [*single_user, "postgres"], _FIRST_STATEMENTS)
    unfinished.rename(place.data)
    folder = os.open(place.folder, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _run(place: Place, programs: Path, command: list[str], statements: bytes = b"") -> None:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as said:
        source.write(statements)
        source.seek(0)
        done = subprocess.run(
            [str(programs / "bin" / command[0]), *command[1:]],
            stdin=source,
            stdout=said,
            stderr=said,
            cwd="/",
            env=_ENVIRONMENT,
            check=False,
            **place.account.options,
        )
        said.seek(0)
        lines = said.read().decode("utf-8", errors="replace").splitlines()
    if done.returncode:
        raise _failure(place, f"{command[0]} could not make the embedded database", lines)


def spawn(place: Place, programs: Path | None) -> int:
    """Start the reaper, and the server before it if `programs` are given; return its id or 0."""
    command = programs and [
        str(programs / "bin" / "postgres"),
        f"--data_directory={place.data}",
        f"--config_file={place.folder / 'postgresql.conf'}",
        f"--hba_file={place.folder / 'pg_hba.conf'}",
        f"--ident_file={place.folder / 'pg_ident.conf'}",
        f"--unix_socket_directories={place.sockets}",
        "--unix_socket_permissions=0700",
        f"--port={PORT}",
    ]
    plan = {
        "folder": str(place.folder),
        "data": str(place.data),
        "socket": str(place.socket),
        "command": command,
        "options": place.account.options,
        "environment": _ENVIRONMENT,
        "grace_seconds": GRACE_SECONDS,
    }
    # Files, not pipes: whoever inherits a pipe keeps its reader waiting.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaint:
        done = subprocess.run(
            [sys.executable, "-I", "-S", embedded_reaper.__file__, json.dumps(plan)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complaint,
            cwd="/",
            start_new_session=True,
            check=False,
        )
        said.seek(0)
        complaint.seek(0)
        pid, lines = said.read(), complaint.read().decode("utf-8", errors="replace").splitlines()
    if done.returncode:
        raise _failure(place, "The embedded database could not be started", lines)
    return int(pid or 0)


def wait_until_ready(place: Place, pid: int, said_before: int) -> None:
    import psutil

    end = time.monotonic() + START_SECONDS
    while not answers(place):
        try:
            gone = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            gone = True
        if gone:
            raise _failure(
                place, "The embedded database did not start", log_after(place, said_before)
            )
        if time.monotonic() > end:
            raise _still_starting(place)
        time.sleep(0.005)


def _failure(place: Place, what: str, lines: list[str]) -> StoreUnavailable:
    """Return the error for `what`, with the sentence of `lines` that tells the reason."""
    marked = re.search(r"(?:FATAL|PANIC|ERROR|[Ee]rror): .*", "\n".join(lines))
    reason = marked.group() if marked else " ".join(lines[-3:]) or "it did not say why"
    reason = " ".join(reason.split()).rstrip(".")
    free = shutil.disk_usage(place.folder).free
    hint = f" Only {free // 1_000_000} MB of disk are free." if free < _LITTLE_DISK_BYTES else ""
    return StoreUnavailable(f"{what}: {reason}.{hint} Its log is {place.log}.")


def _still_starting(place: Place) -> StoreUnavailable:
    return StoreUnavailable(
        f"The embedded database has been starting for {START_SECONDS} seconds. "
        f"{place.log} says what it is doing; it goes on, so try again later."
    )
