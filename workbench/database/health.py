"""What `workbench doctor` finds out about a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import Executable, text

from workbench.database.engine import Database
from workbench.database.migrate import current, head, require_server
from workbench.database.roles import lacking, no_server
from workbench.errors import NotAllowed, WorkbenchError

NEEDED_EXTENSIONS = ("pg_trgm", "btree_gin")
IDLE_TRANSACTION_MINUTES = 10

_INVALID_INDEXES = text(
    "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1"
)
_EXTENSIONS = text(
    "SELECT string_agg(w.name, ', ') FROM unnest(cast(:names AS text[])) AS w(name)"
    " WHERE NOT EXISTS (SELECT FROM pg_available_extensions a WHERE a.name = w.name)"
)
_TLS = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
_MAY_ISSUE = text(
    "SELECT has_schema_privilege('auth', 'USAGE') AND has_function_privilege("
    "'auth.issue_login(uuid, text, text, interval, integer, boolean, uuid, uuid, boolean)',"
    " 'EXECUTE')"
)
_IDLE = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND state LIKE 'idle in transaction%'"
    " AND state_change <= clock_timestamp() - make_interval(mins => :minutes)"
)
_HELD = text(
    "SELECT (SELECT count(*) FROM world WHERE deleted_at IS NULL) AS worlds,"
    ' (SELECT count(*) FROM "user" WHERE deleted_at IS NULL) AS users'
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, in a sentence or two.

    `remedy` is the way out of what is not, unless `what` ends with it.
    """

    well: bool
    what: str
    remedy: str = ""


async def examine(database: Database, *, embedded: bool = False) -> AsyncIterator[Finding]:
    """Yield what is found, most basic first; stops at what makes the rest pointless.

    The `embedded` server is migrated as its administrator, so its role need not make roles.
    """
    try:
        version = await require_server(database)
    except WorkbenchError as error:  # which says the way out
        yield Finding(False, str(error))
        return
    yield Finding(True, f"{database.address} answers; it is PostgreSQL {version}.")
    async with database.reading() as connection:
        tls = await connection.scalar(_TLS)
        missing = await connection.scalar(_EXTENSIONS, {"names": list(NEEDED_EXTENSIONS)})
    local = "?host=/" in database.address.url or "host=%2F" in database.address.url
    yield Finding(
        True,
        "The connection is a local socket."
        if local
        else f"The connection is {'encrypted' if tls else 'not encrypted'}."
        + ("" if tls else " Add sslmode=verify-full to WORKBENCH_DATABASE_URL for a remote one."),
    )
    if missing:
        yield Finding(
            False,
            f"The server has no extension {missing}.",
            "Install PostgreSQL's contrib package there (postgresql-contrib on Debian).",
        )
    try:
        found = await current(database)
    except NotAllowed as error:  # which says the way out
        yield Finding(False, str(error))
        return
    behind = found is None or found < head()
    if behind and not embedded and (lack := await lacking(database)) is not None:
        yield Finding(False, *lack)
        return
    if found != head():
        newer = found is not None and found > head()
        yield Finding(
            False,
            f"The schema is at revision {found or 'none'}; this version needs {head()}.",
            "Install the newer workbench." if newer else "Run `workbench migrate`.",
        )
        return
    yield Finding(True, f"The schema is at revision {found}, as this version needs.")
    if not await _asked(database, _MAY_ISSUE):
        yield Finding(False, str(await no_server(database)))
        return
    async with database.reading() as connection:
        invalid = (await connection.execute(_INVALID_INDEXES)).scalars().all()
        idle = int(await connection.scalar(_IDLE, {"minutes": IDLE_TRANSACTION_MINUTES}) or 0)
        held = (await connection.execute(_HELD)).one()
    for index in invalid:
        yield Finding(False, f"The index {index} is invalid.", f"Run REINDEX INDEX {index}.")
    if idle:
        yield Finding(
            False,
            f"{_counted(idle, 'session')} held a transaction open, idle, for over "
            f"{IDLE_TRANSACTION_MINUTES} minutes.",
            "Close the notebooks or programs that began them; they keep changes from others.",
        )
    yield Finding(
        True, f"It holds {_counted(held.worlds, 'world')} and {_counted(held.users, 'user')}."
    )


async def _asked(database: Database, question: Executable) -> bool:
    async with database.reading() as connection:
        return bool(await connection.scalar(question))


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
