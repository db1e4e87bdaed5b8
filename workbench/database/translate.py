"""Turns errors of the database into errors of workbench, in this one place.

By SQLSTATE and by the name of the constraint, which ends in the field it concerns
(`ck_scene_position`, see the migrations); never by the text of a message.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from workbench.errors import (
    BadSettings,
    Conflict,
    DuplicateName,
    InTheTrash,
    InvalidDraft,
    MissingReference,
    NotAllowed,
    NotFound,
    Refused,
    StillInUse,
    StoreUnavailable,
    WorkbenchError,
    WrongDatabase,
    shown,
)

RETRIED = frozenset({"40001", "40P01"})
"""Serialization failure, deadlock: the only errors after which work is repeated."""

_UNAVAILABLE = {
    "53100": "The disk of the database is full. Make room there, then try again.",
    "53200": "The database is out of memory. Try again later, or with less at once.",
    "53400": (
        "This user has too many logins in use: notebooks, pages and scripts. Close some of them."
    ),
    "53300": "The database has no free connection. Try again later.",
    "57P01": "The database is shutting down or was restarted. Try again in a moment.",
    "57P02": "The database has crashed and recovers. Try again in a moment.",
    "57P03": "The database is starting. Try again in a moment.",
    "57P05": "The database closed this connection, which was idle for too long. Try again.",
    "25P03": "The database undid this transaction, which was idle for too long. Do it again.",
    "25P04": "The database undid this transaction, which took too long. Do less in one.",
    "55P03": (
        "Somebody else's open transaction holds what this needs. Wait for it or end it, then try "
        "again; `workbench doctor` tells of long ones."
    ),
    "3D000": "There is no such database on that server. Create it, or mend WORKBENCH_DATABASE_URL.",
    "28P01": (
        "The database refuses the user or the password in WORKBENCH_DATABASE_URL. Mend them there."
    ),
    "28000": (
        "The database refuses this user, or asks for TLS. Name another user in "
        "WORKBENCH_DATABASE_URL, or add sslmode=require to it."
    ),
}
_TEXT = {
    "22021": "This holds a NUL character, which PostgreSQL cannot store. Take it out.",
    "22P05": "This holds a character that PostgreSQL cannot store. Take it out.",
    "22001": "This is too long; at most 255 characters fit.",
    "22003": "This number is too large.",
    "22P02": "This is not a value of its kind.",
}
_NOT_ALLOWED = {
    "own_world": (
        "A world is handed over by its owner, or by a manager to somebody else. Ask its owner to "
        "hand it to you."
    ),
}
_OTHER_NAME = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""

_CONNECTION = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.InternalClientError,
    ssl.SSLError,
    PoolTimeout,
)


@contextmanager
def translated(
    entity: str | None = None,
    values: Mapping[str, Any] | None = None,
    *,
    removing: bool = False,
    around: bool = False,
) -> Iterator[None]:
    """Raise workbench errors for errors of the database inside the block.

    Parameters
    ----------
    entity
        What the statement is about, unless the error itself says it.
    values
        What was being written, so that a message can quote it.
    removing
        Whether rows are being deleted: a foreign key then means that they are in use.
    around
        Whether other people's code runs in the block: a file that it does not find is its
        own affair, so errors of the operating system pass as they are.
    """
    try:
        yield
    except DBAPIError as error:
        cause = _cause(error)
        raise translate(cause, entity, values, removing=removing) from error
    except (asyncpg.PostgresError, *_CONNECTION) as error:
        if around and isinstance(error, OSError):
            raise
        raise translate(error, entity, values, removing=removing) from error


def _cause(error: DBAPIError) -> BaseException:
    """Return asyncpg's own error under SQLAlchemy's two wrappings."""
    inner: BaseException = error.orig or error
    return inner.__cause__ or inner


def translate(
    error: BaseException,
    entity: str | None = None,
    values: Mapping[str, Any] | None = None,
    *,
    removing: bool = False,
) -> WorkbenchError:
    """Return the workbench error that says what `error` says."""
    state = getattr(error, "sqlstate", None) or ""
    if isinstance(error.__cause__, UnicodeEncodeError):  # asyncpg's own, before anything is sent
        state = "22P05"
    if state in RETRIED:
        return Conflict(
            "The database undid this because somebody else changed the same rows at the same "
            "moment. Nothing was written. Do it again."
        )
    if state in _UNAVAILABLE:
        return StoreUnavailable(_UNAVAILABLE[state])
    if isinstance(error, PoolTimeout):
        return StoreUnavailable(
            "All connections of this program are in use and none came free in time. Do less at "
            "once, end transactions sooner, or raise WORKBENCH_POOL_SIZE."
        )
    if state.startswith("08") or (not state and isinstance(error, _CONNECTION)):
        return StoreUnavailable(
            "The database does not answer or the connection broke. Nothing of the current "
            "transaction is written. Is the server running and the address right? "
            "`workbench doctor` looks into it."
        )
    if state == "57014":
        return WorkbenchError(
            "The database stopped this because it took too long "
            "(WORKBENCH_STATEMENT_TIMEOUT_SECONDS). Ask for less at once."
        )
    if state == "25P02":
        return WorkbenchError(
            "This transaction failed at an earlier statement and writes nothing. Leave its "
            "block and begin again; a part that may fail goes into a block of its own within."
        )
    if state in ("42P01", "3F000", "42703", "42883"):
        return WrongDatabase(
            "The database does not have the tables of this version. Run `workbench migrate`."
        )
    if state in ("42501", "25006", "55000"):  # the last: of a view, such as those of the past
        rule = getattr(error, "constraint_name", None) or ""
        return NotAllowed(_NOT_ALLOWED.get(rule) or refused(entity), entity=entity)
    if state == "P0002":
        return NotFound("user", (values or {}).get("email", "of this name"), "Who may sign in?")
    if state.startswith("23") or state in _TEXT:
        return _refusal(error, state, entity, values or {}, removing=removing)
    return WorkbenchError(f"The database refused this ({state or type(error).__name__}).")


def refused(entity: str | None, managers: Iterable[str] = ()) -> str:
    """Return what is said to somebody who may not do something to a record of `entity`.

    Parameters
    ----------
    managers
        The names of whom to ask, if they are known.
    """
    if entity == "user":
        return (
            "You may change your own names and phone, nothing else of users. An administrator "
            "adds and changes them: `workbench users`."
        )
    if entity == "login":
        return "This user is not active, or this process may not issue logins to users."
    what = f" to this {entity}" if entity else ""
    return (
        f"You may not do this{what}: writing takes an editor of the "
        "world, and an account that may edit; to publish, trash, purge or share takes a manager. "
        f"{whom_to_ask(managers) if managers else 'Ask one, or an administrator.'}"
    )


def whom_to_ask(managers: Iterable[str]) -> str:
    """Return the sentence that says who grants what was refused."""
    named = " or ".join(managers)
    return f"Ask {named}." if named else "Ask a manager of the world."


def _refusal(
    error: BaseException,
    state: str,
    entity: str | None,
    values: Mapping[str, Any],
    *,
    removing: bool,
) -> WorkbenchError:
    table = getattr(error, "table_name", None) or entity or "record"
    constraint = getattr(error, "constraint_name", None) or ""
    rule, _, rest = constraint.partition("_")
    field = getattr(error, "column_name", None) or rest.removeprefix(f"{table}_") or None
    value = values.get(field) if field else None
    quoted = f" {shown(str(value))}" if value is not None else ""
    about: dict[str, Any] = {"entity": table, "field": field}
    if rule == "uq":
        where = "" if field == "email" else " in the same place"
        return DuplicateName(
            f"Another {table}{where} has the {field}{quoted}. Choose another {field}, or change "
            "that one.",
            **about,
        )
    if rule == "pk":
        return DuplicateName(f"This {table} is there already. Change that one.", **about)
    if rule == "fk":
        if removing:
            return StillInUse(
                f"Rows of {table} still need this ({field}). Change or remove those first.",
                **about,
            )
        return MissingReference(
            f"The {field}{quoted} of the {table} is no record of the same world. Choose one "
            "that exists there.",
            **about,
        )
    if rule == "live":
        return InTheTrash(
            f"The {(field or '').removesuffix('id')} of this {table} is in the trash. "
            "Restore it first, or choose another.",
            **about,
        )
    if rule == "keep":
        return Refused(
            f"A {table} that is not in the trash cannot be purged. Remove it first.", **about
        )
    if rule == "forgotten":
        return Refused(
            "The details of that time are kept no more (`workbench forget` took them). Choose a "
            "later moment."
        )
    if rule == "heir":
        return Refused(
            "A world of this account has nobody to take it over. Choose one of its members whose "
            "account may edit; if it has none, share it with somebody, or move it to the trash.",
            **about,
        )
    if rule == "edits":
        return Refused(
            "Whose account may only read cannot own a world. Choose somebody else, or ask an "
            "administrator to make them an editor.",
            **about,
        )
    if rule == "last":
        return Refused(
            "The last administrator who can sign in cannot go. Make another one first, who "
            "signs in.",
            **about,
        )
    if rule == "fixed":
        return Refused(
            f"The {field} of a {table} cannot change. Add a new one and remove this one.", **about
        )
    message = _TEXT.get(state, "This breaks a rule of the field.")
    if rule == "tree":
        message = "A location cannot lie in itself, however far up. Choose another parent."
    if constraint == "ck_persona_relation_otherid":
        message = "A persona cannot be related to itself. Choose another."
    if state == "23502":
        message = "This is required."
    if state == "22001" and field is None:
        field = _longest(values)
    return InvalidDraft({field or "*": message}, entity=table)


def _longest(values: Mapping[str, Any]) -> str | None:
    texts = {name: len(value) for name, value in values.items() if isinstance(value, str)}
    return max(texts, key=texts.__getitem__) if texts else None


def unreachable(
    error: BaseException, address: str, grant: str = ""
) -> StoreUnavailable | BadSettings:
    """Return the error for a connection to `address` that did not come about.

    Parameters
    ----------
    grant
        The statement that lets a role connect which may not.
    """
    state = getattr(error, "sqlstate", None)
    if state == "42501":
        return StoreUnavailable(
            f"{address}: the server knows this role, but does not let it connect. As an "
            f"administrator: {grant}."
        )
    if state in _UNAVAILABLE:
        return StoreUnavailable(f"{address}: {_UNAVAILABLE[state]}")
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _OTHER_NAME:
        return StoreUnavailable(
            f"{address}: the certificate of the server is for another host name "
            f"({error.verify_message.rstrip('.')}). Use the name that it is for in "
            "WORKBENCH_DATABASE_URL."
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return StoreUnavailable(
            f"{address}: the certificate of the server cannot be verified "
            f"({error.verify_message}). Give the authority's file as sslrootcert=… in "
            "WORKBENCH_DATABASE_URL."
        )
    if isinstance(error, ssl.SSLError | ConnectionError) and "rejected SSL" in str(error):
        return StoreUnavailable(
            f"{address}: the server does not offer TLS, but sslmode asks for it. Turn TLS on "
            "there, or use sslmode=prefer."
        )
    if isinstance(error, ssl.SSLError):
        return StoreUnavailable(
            f"{address}: TLS did not come about ({error.reason or 'no reason told'}). Look at "
            "sslmode and sslrootcert in WORKBENCH_DATABASE_URL."
        )
    if isinstance(error, TimeoutError):
        return StoreUnavailable(
            f"{address}: no answer in time. Is the host right and its firewall open?"
        )
    if isinstance(error, asyncpg.ClientConfigurationError):
        reason = str(error).partition("\n")[0]
        return BadSettings(f"WORKBENCH_DATABASE_URL cannot be used: {reason}.")
    return StoreUnavailable(
        f"{address}: nothing answers there. Is PostgreSQL running, and are host and port right?"
    )
