"""How to reach the database that a server elsewhere tells of."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from workbench.database.address import SSL_MODES, Address
from workbench.errors import BadSettings, StoreUnavailable

__all__ = ["address_of"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def address_of(told: Mapping[str, Any], server: str, home: Path) -> Address:
    """Return the address of the database with the login, as a server told them.

    Parameters
    ----------
    home
        Where the file goes of the authorities that the server tells of.

    Raises
    ------
    KeyError, TypeError, ValueError
        It was not told as ours do.
    StoreUnavailable
        The database is on the server's own machine, which is not this one.
    """
    host, port, database = str(told["host"]), int(told["port"]), str(told["database"])
    login = f"{quote(str(told['user']), safe='')}:{quote(str(told['password']), safe='')}"
    query: dict[str, str] = {}
    if host.startswith("/"):
        if not os.path.exists(os.path.join(host, f".s.PGSQL.{port}")):
            raise _elsewhere(server)
        query |= {"host": host, "port": str(port)}
        netloc = ""
    else:
        local = host in _LOOPBACK
        if local and urlsplit(server).hostname not in _LOOPBACK:
            raise _elsewhere(server)
        netloc = f"[{host}]:{port}" if ":" in host else f"{quote(host, safe='')}:{port}"
        # Rows go over the network: without a word of the administrator's, under TLS only.
        query["sslmode"] = _mode(told, "prefer" if local else "require")
        query |= _authorities(told, query["sslmode"], home)
    return Address(f"postgresql://{login}@{netloc}/{quote(database, safe='')}?{urlencode(query)}")


def _mode(told: Mapping[str, Any], otherwise: str) -> str:
    mode = told.get("sslmode", otherwise)
    if mode not in SSL_MODES:
        raise ValueError(mode)
    return str(mode)


def _authorities(told: Mapping[str, Any], mode: str, home: Path) -> dict[str, str]:
    """Return the file that the database's certificate is checked against.

    The one that the server tells of, as text or as a file that is here as well; else the ones
    that this machine trusts, unless PostgreSQL's own place for them is used.
    """
    if not mode.startswith("verify"):
        return {}
    if text := told.get("authorities"):
        return {"sslrootcert": str(_kept(str(text), home))}
    named = told.get("sslrootcert")
    if isinstance(named, str) and os.access(named, os.R_OK):
        return {"sslrootcert": named}
    own = Path("~/.postgresql/root.crt").expanduser().exists() or "PGSSLROOTCERT" in os.environ
    system = ssl.get_default_verify_paths().cafile
    return {} if own or system is None else {"sslrootcert": system}


def _kept(text: str, home: Path) -> Path:
    file = home / f"authorities-{hashlib.sha256(text.encode()).hexdigest()[:16]}.pem"
    try:
        if not file.exists():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = file.with_suffix(f".{os.getpid()}.new")
            fresh.write_text(text, encoding="ascii")
            fresh.replace(file)
    except OSError as failure:
        raise BadSettings(
            f"{file} cannot be written ({os.strerror(failure.errno or 0).lower()}). Choose "
            "another folder with WORKBENCH_HOME."
        ) from None
    return file


def _elsewhere(server: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"{server} keeps its database on its own machine, which this one cannot reach. Its "
        "administrator makes it reachable and says how in WORKBENCH_PUBLIC_DATABASE_URL."
    )
