"""Errors of the database in words: by SQLSTATE and constraint, never by text."""

from __future__ import annotations

import contextlib
import ssl

import asyncpg
import pytest
import trustme
from sqlalchemy.exc import TimeoutError as PoolTimeout

from workbench.database.translate import translate, translated, unreachable
from workbench.errors import (
    BadSettings,
    Conflict,
    DuplicateName,
    InTheTrash,
    InvalidDraft,
    MissingReference,
    NotAllowed,
    Refused,
    StillInUse,
    StoreUnavailable,
    WorkbenchError,
    WrongDatabase,
)

SECRET = "s3cret-word"


def failure(state: str, **fields: str) -> asyncpg.PostgresError:
    """Return the error that asyncpg makes of such an answer of the server."""
    code = {
        "constraint": "n",
        "table": "t",
        "column": "c",
    }
    answer = {"C": state, "M": f"a text with {SECRET}", "D": f"detail {SECRET}"}
    return asyncpg.PostgresError.new(answer | {code[name]: text for name, text in fields.items()})


BY_STATE = {
    "40001": Conflict,
    "40P01": Conflict,
    "25P02": WorkbenchError,
    "53100": StoreUnavailable,
    "53200": StoreUnavailable,
    "53300": StoreUnavailable,
    "57P01": StoreUnavailable,
    "57P02": StoreUnavailable,
    "57P03": StoreUnavailable,
    "57P05": StoreUnavailable,
    "3D000": StoreUnavailable,
    "28P01": StoreUnavailable,
    "28000": StoreUnavailable,
    "08000": StoreUnavailable,
    "08003": StoreUnavailable,
    "08006": StoreUnavailable,
    "08P01": StoreUnavailable,
    "25P03": StoreUnavailable,
    "25P04": StoreUnavailable,
    "42P01": WrongDatabase,
    "42703": WrongDatabase,
    "42883": WrongDatabase,
    "3F000": WrongDatabase,
    "42501": NotAllowed,
    "25006": NotAllowed,
    "55P03": StoreUnavailable,
    "57014": WorkbenchError,
    "22021": InvalidDraft,
    "22P05": InvalidDraft,
    "22001": InvalidDraft,
    "22003": InvalidDraft,
    "22P02": InvalidDraft,
    "23502": InvalidDraft,
    "23514": InvalidDraft,
    "XX000": WorkbenchError,
    "42601": WorkbenchError,
    "0A000": WorkbenchError,
}


@pytest.mark.parametrize("state", BY_STATE)
def test_every_state_has_its_error_and_no_text_of_the_server_gets_through(state: str):
    made = translate(failure(state), "persona", {"name": "Hamlet"})
    assert type(made) is BY_STATE[state]
    message = str(made)
    assert SECRET not in message
    assert message.endswith(".")
    assert message[0].isupper() or ": " in message


def test_a_conflict_of_names_quotes_the_name():
    made = translate(
        failure("23505", table="persona", constraint="uq_persona_name"),
        values={"name": "OPHELIA"},
    )
    assert isinstance(made, DuplicateName)
    assert (made.entity, made.field) == ("persona", "name")
    assert "'OPHELIA'" in str(made)
    assert "in the same place" in str(made)


def test_a_second_address_names_the_address():
    made = translate(failure("23505", table="user", constraint="uq_user_email"))
    assert isinstance(made, DuplicateName)
    assert made.field == "email"
    assert "same place" not in str(made)


def test_a_row_of_a_link_that_is_there_says_so():
    made = translate(failure("23505", table="scene_persona", constraint="pk_scene_persona"))
    assert isinstance(made, DuplicateName)
    assert "there already" in str(made)


def test_a_foreign_key_is_a_missing_reference_or_a_use():
    broken = failure("23503", table="scene", constraint="fk_scene_locationid")
    missing = translate(broken)
    assert isinstance(missing, MissingReference)
    assert missing.field == "locationid"
    assert isinstance(translate(broken, removing=True), StillInUse)


@pytest.mark.parametrize(
    ("constraint", "kind", "words"),
    [
        ("live_scene_actid", InTheTrash, "act of this scene is in the trash"),
        ("keep_scene_deleted_at", Refused, "Remove it first"),
        ("fixed_scene_worldid", Refused, "cannot change"),
        ("tree_scene_parentid", InvalidDraft, "cannot lie in itself"),
        ("ck_scene_position", InvalidDraft, "position: "),
    ],
)
def test_our_own_rules_speak_for_themselves(constraint: str, kind: type[Refused], words: str):
    made = translate(failure("23514", table="scene", constraint=constraint))
    assert type(made) is kind
    assert words in str(made)
    assert made.entity == "scene"


def test_a_persona_related_to_itself_is_told_so():
    made = translate(
        failure("23514", table="persona_relation", constraint="ck_persona_relation_otherid")
    )
    assert isinstance(made, InvalidDraft)
    assert made.problems == {"otherid": "A persona cannot be related to itself. Choose another."}


def test_half_a_character_that_the_driver_cannot_send_is_no_riddle():
    error = failure("22000")
    error.__cause__ = UnicodeEncodeError("utf-8", "a\ud800", 1, 2, SECRET)
    made = translate(error)
    assert isinstance(made, InvalidDraft)
    assert "character that PostgreSQL cannot store" in str(made)


def test_too_long_a_text_names_the_longest_field():
    made = translate(failure("22001"), "persona", {"kind": "x" * 300, "name": "y"})
    assert isinstance(made, InvalidDraft)
    assert list(made.problems) == ["kind"]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(SECRET),
        ConnectionRefusedError(SECRET),
        BrokenPipeError(SECRET),
        TimeoutError(SECRET),
        asyncpg.InterfaceError(SECRET),
        asyncpg.ConnectionDoesNotExistError(SECRET),
        asyncpg.exceptions.InternalClientError(SECRET),
        ssl.SSLError(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_broken_connection_is_a_store_that_is_unavailable(error: Exception):
    with pytest.raises(StoreUnavailable) as told, translated():
        raise error
    assert SECRET not in str(told.value)
    assert "workbench doctor" in str(told.value)


def test_waiting_in_vain_for_a_free_connection_says_that():
    with pytest.raises(StoreUnavailable, match="WORKBENCH_POOL_SIZE") as told, translated():
        raise PoolTimeout(SECRET)
    assert "server running" not in str(told.value), "the server is well"


def test_errors_of_ones_own_pass_as_they_are():
    with pytest.raises(ZeroDivisionError), translated():
        raise ZeroDivisionError
    mine = StoreUnavailable("Mine.")
    with pytest.raises(StoreUnavailable) as told, translated():
        raise mine
    assert told.value is mine


def test_the_cause_is_kept_for_those_who_look():
    cause = failure("40001")
    with pytest.raises(Conflict) as told, translated():
        raise cause
    assert told.value.__cause__ is cause


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (failure("28P01"), "refuses the user or the password"),
        (failure("3D000"), "no such database"),
        (failure("53300"), "no free connection"),
        (failure("57P03"), "is starting"),
        (ConnectionRefusedError(SECRET), "nothing answers there"),
        (TimeoutError(SECRET), "no answer in time"),
        (OSError(SECRET), "nothing answers there"),
    ],
)
def test_a_connection_that_does_not_come_about_names_the_place(error: Exception, words: str):
    made = unreachable(error, "ada@db.example.org/worlds")
    assert isinstance(made, StoreUnavailable)
    assert str(made).startswith("ada@db.example.org/worlds: ")
    assert words in str(made)
    assert SECRET not in str(made)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_for_another_host_asks_for_its_name_and_for_no_other_file(host: str):
    """Python's own error, of a name and of an address that the certificate is not for."""
    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("db.example.org").configure_cert(served)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    made = unreachable(refusal(served, trusting, host), "ada@somewhere/worlds")
    assert isinstance(made, StoreUnavailable)
    assert "Use the name that it is for" in str(made)
    assert host in str(made)
    assert "sslrootcert" not in str(made)


def refusal(
    served: ssl.SSLContext, trusting: ssl.SSLContext, host: str
) -> ssl.SSLCertVerificationError:
    """Return why a client does not trust a server, without any socket between them."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(down, up, server_hostname=host)
    server = served.wrap_bio(up, down, server_side=True)
    for end in (client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        client.do_handshake()
    return refused.value


def test_a_parameter_that_the_driver_does_not_take_is_a_bad_setting():
    made = unreachable(asyncpg.ClientConfigurationError("no such thing"), "somewhere")
    assert isinstance(made, BadSettings)
