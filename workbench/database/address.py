"""The address of a database: one URL, for asyncpg and libpq alike."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

from workbench.errors import BadSettings

_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_AUTHORITIES = (
    " Give the file of the authorities you trust as sslrootcert=…: the one of your service, or "
    "the system's (/etc/ssl/certs/ca-certificates.crt on Debian)."
)


@dataclass(frozen=True)
class Address:
    """Where a database is. `repr` and `str` leave out the password."""

    url: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Return the address in `url`; BadSettings says what is wrong, without the password."""
        try:
            parts = urlsplit(url)
            _ = parts.port
            query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise BadSettings(
                "WORKBENCH_DATABASE_URL cannot be read. It looks like "
                "postgresql://user:password@host:5432/database; a character such as @ or / "
                "in the password is written as %40 or %2F."
            ) from None
        if parts.scheme not in _SCHEMES:
            raise BadSettings(
                f"WORKBENCH_DATABASE_URL starts with {parts.scheme or 'nothing'!r}; "
                "it must start with postgresql://."
            )
        mode = query.get("sslmode", ["prefer"])[-1]
        if mode not in SSL_MODES:
            raise BadSettings(
                f"WORKBENCH_DATABASE_URL has sslmode={mode}; it is one of {', '.join(SSL_MODES)}."
            )
        if not parts.path.strip("/"):
            raise BadSettings("WORKBENCH_DATABASE_URL names no database: add /name at its end.")
        return cls(urlunsplit(parts._replace(scheme="postgresql")))

    def signed_in(self, user: str, password: str) -> Address:
        """Return the same place for another user."""
        parts = urlsplit(self.url)
        where = parts.netloc.rpartition("@")[2]
        return Address(
            urlunsplit(parts._replace(netloc=f"{quote(user)}:{quote(password)}@{where}"))
        )

    @property
    def user(self) -> str | None:
        """The user that the address names."""
        name = urlsplit(self.url).username
        return None if name is None else unquote(name)

    @property
    def database(self) -> str:
        """The database that the address names."""
        return unquote(urlsplit(self.url).path.strip("/"))

    @property
    def shown(self) -> str:
        """User, host and database, for messages."""
        parts = urlsplit(self.url)
        host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
        port = f":{parts.port}" if parts.port else ""
        user = f"{parts.username}@" if parts.username else ""
        return f"{user}{host}{port}{parts.path}"

    def trouble_with_files(self) -> str | None:
        """Return what is wrong with the files that TLS needs, in words, or None."""
        query = {name: given[-1] for name, given in parse_qs(urlsplit(self.url).query).items()}
        for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
            if name in query and not os.access(query[name], os.R_OK):
                return (
                    f"WORKBENCH_DATABASE_URL has {name}={query[name]}, which is no file that can "
                    f"be read.{_AUTHORITIES if name == 'sslrootcert' else ''}"
                )
        mode = query.get("sslmode", "")
        known = query.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
        own = Path("~/.postgresql/root.crt").expanduser()
        if mode.startswith("verify") and not known and not own.exists():
            return f"WORKBENCH_DATABASE_URL has sslmode={mode} without sslrootcert.{_AUTHORITIES}"
        return None

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"
