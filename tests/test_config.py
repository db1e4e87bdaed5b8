"""Settings: read from variables and a .env file, and told without secrets."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest

from workbench.config import Settings, read_providers, read_settings, set_variables
from workbench.errors import BadSettings

URL = "postgresql://ada:s3cret-word@db.example.org/worlds"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine, no .env of the checkout."""
    for field in Settings.model_fields:
        monkeypatch.delenv(f"WORKBENCH_{field.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_anything_said_the_embedded_database_in_the_own_folder_is_used(monkeypatch):
    monkeypatch.setenv("USER", "ada")
    monkeypatch.setenv("LOGNAME", "ada")
    settings = read_settings()
    assert settings.database_url is None
    assert settings.user == "ada@localhost"
    assert settings.home.is_absolute()
    assert settings.home.name == "workbench"


def test_every_variable_is_read(monkeypatch, tmp_path):
    given = {
        "HOME": str(tmp_path / "a home"),
        "DATABASE_URL": URL,
        "USER": "ada@example.org",
        "POOL_SIZE": "7",
        "CONNECT_TIMEOUT_SECONDS": "2.5",
        "POOL_TIMEOUT_SECONDS": "3",
        "STATEMENT_TIMEOUT_SECONDS": "0",
        "PUBLIC_URL": "https://bench.example.org",
        "PUBLIC_DATABASE_URL": "postgresql://db.example.org/workbench",
        "SIGN_UP": "open",
        "SIGN_UP_DOMAINS": "example.org",
        "SESSION_IDLE_HOURS": "1",
        "SESSION_HOURS": "8",
        "SERVER": "https://bench.example.org",
        "TOKEN": "s3cret-word",
    }
    assert set(given) == {field.upper() for field in Settings.model_fields}
    for name, value in given.items():
        monkeypatch.setenv(f"WORKBENCH_{name}", value)
    settings = read_settings()
    assert settings.home == tmp_path / "a home"
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == URL
    assert (settings.user, settings.pool_size) == ("ada@example.org", 7)
    assert settings.connect_timeout_seconds == 2.5
    assert settings.pool_timeout_seconds == 3
    assert settings.statement_timeout_seconds == 0


def test_a_file_env_is_read_and_variables_win_over_it(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text(
        f'WORKBENCH_DATABASE_URL="{URL}"\nWORKBENCH_POOL_SIZE=3\nWORKBENCH_USER=ada@example.org\n'
        "SOMETHING_ELSE=1\n"
    )
    monkeypatch.setenv("WORKBENCH_POOL_SIZE", "4")
    settings = read_settings(user="eve@example.org")
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == URL
    assert settings.pool_size == 4
    assert settings.user == "eve@example.org"


def test_what_is_given_as_none_leaves_the_environment_alone(monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", URL)
    settings = read_settings(database_url=None)
    assert settings.database_url is not None


def test_a_home_may_begin_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_HOME", "~/worlds")
    assert read_settings().home == tmp_path / "worlds"


def test_a_home_counts_from_where_it_was_read(monkeypatch, tmp_path):
    """A kernel starts in another folder and must find the same database."""
    monkeypatch.setenv("WORKBENCH_HOME", "worlds")
    assert read_settings().home == tmp_path / "worlds"


def test_variables_that_are_set_to_nothing_count_as_not_set(monkeypatch):
    """As in a compose file or a CI job that passes every variable on."""
    for field in Settings.model_fields:
        monkeypatch.setenv(f"WORKBENCH_{field.upper()}", "")
    settings = read_settings()
    assert settings.database_url is None
    assert settings.pool_size == 5


BAD = [
    ("POOL_SIZE", "s3cret-word"),
    ("POOL_SIZE", "0"),
    ("POOL_SIZE", "101"),
    ("CONNECT_TIMEOUT_SECONDS", "s3cret-word"),
    ("CONNECT_TIMEOUT_SECONDS", "0"),
    ("CONNECT_TIMEOUT_SECONDS", "nan"),
    ("CONNECT_TIMEOUT_SECONDS", "inf"),
    ("POOL_TIMEOUT_SECONDS", "-1"),
    ("STATEMENT_TIMEOUT_SECONDS", "-1"),
    ("STATEMENT_TIMEOUT_SECONDS", "inf"),
    ("STATEMENT_TIMEOUT_SECONDS", "1e9"),
    ("USER", "s3cret-word"),
    ("USER", "a b@c"),
    ("USER", "x" * 256 + "@example.org"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_names_the_variable_and_never_the_value(monkeypatch, name, value):
    monkeypatch.setenv(f"WORKBENCH_{name}", value)
    with pytest.raises(BadSettings) as refused:
        read_settings()
    message = str(refused.value)
    assert message.startswith(f"WORKBENCH_{name}: ")
    assert message.endswith(".")
    told = "".join(traceback.format_exception(refused.value))
    assert "s3cret" not in told
    assert "ValidationError" not in told


def test_all_bad_values_are_told_at_once(monkeypatch):
    monkeypatch.setenv("WORKBENCH_POOL_SIZE", "many")
    monkeypatch.setenv("WORKBENCH_CONNECT_TIMEOUT_SECONDS", "soon")
    with pytest.raises(BadSettings, match=r"WORKBENCH_POOL_SIZE: .*CONNECT_TIMEOUT_SECONDS: "):
        read_settings()


def test_a_bad_file_env_is_told_too(tmp_path):
    (tmp_path / ".env").write_text("WORKBENCH_POOL_SIZE=many\n")
    with pytest.raises(BadSettings, match="WORKBENCH_POOL_SIZE"):
        read_settings()


def test_a_file_env_that_is_no_text_is_told(tmp_path):
    (tmp_path / ".env").write_bytes(b"WORKBENCH_USER=\xff\xfe\n")
    with pytest.raises(BadSettings, match=r"\.env"):
        read_settings()


def test_a_setting_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadSettings, match="WORKBENCH_POOLSIZE"):
        read_settings(poolsize=3)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("WORKBENCH_DATABSE_URL", "Did you mean WORKBENCH_DATABASE_URL?"),
        ("workbench_pool", "Did you mean WORKBENCH_POOL_SIZE?"),
        ("WORKBENCH_COLOUR", "There are: WORKBENCH_HOME, WORKBENCH_DATABASE_URL, "),
    ],
)
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_variable_that_is_no_setting_is_warned_of(
    monkeypatch, tmp_path, caplog, name, hint, where
):
    if where == ".env":
        (tmp_path / ".env").write_text(f"{name}={URL}\nSOMETHING_ELSE=1\n")
    else:
        monkeypatch.setenv(name, URL)
    assert read_settings().database_url is None
    (message,) = caplog.messages
    assert message.startswith(f"{name.upper()} is no setting of workbench and is ignored. {hint}")
    assert "s3cret-word" not in message


def test_no_setting_is_warned_of(monkeypatch, caplog):
    for field in Settings.model_fields:
        monkeypatch.setenv(f"WORKBENCH_{field.upper()}", "")
    read_settings()
    assert caplog.messages == []


def test_only_settings_go_to_other_processes(monkeypatch):
    monkeypatch.setenv("WORKBENCH_POOL_SIZE", "7")
    monkeypatch.setenv("WORKBENCH_POOL", "7")
    assert set_variables() == {"WORKBENCH_POOL_SIZE": "7"}


def test_no_face_of_the_settings_shows_the_password(monkeypatch, caplog):
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", URL)
    settings = read_settings()
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").warning("%s %r", settings, settings)
    faces = [
        str(settings),
        repr(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
        caplog.text,
    ]
    assert not [face for face in faces if "s3cret-word" in face]


def test_settings_cannot_change_behind_ones_back():
    settings = read_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.pool_size = 9


@pytest.mark.parametrize(
    "value",
    ["https://bench.example.org", "https://Bench.example.org:8443/", "http://127.0.0.1:8866"],
)
def test_a_public_url_is_kept_as_an_origin(value):
    assert read_settings(public_url=value).public_url == value.lower().rstrip("/")


@pytest.mark.parametrize(
    "value",
    [
        "bench.example.org",
        "http://bench.example.org",
        "https://",
        "https://a@b.org",
        "https://b.org/path",
        "ftp://b.org",
        "https://b.org?x=1",
        "https://b.org:99999",
        "https://[b.org",
    ],
)
def test_a_public_url_that_is_no_safe_origin_is_refused(value):
    with pytest.raises(BadSettings, match="WORKBENCH_PUBLIC_URL"):
        read_settings(public_url=value)


def test_signing_up_by_domain_needs_domains(monkeypatch):
    with pytest.raises(BadSettings, match="WORKBENCH_SIGN_UP_DOMAINS"):
        read_settings(sign_up="domain")
    settings = read_settings(sign_up="domain", sign_up_domains="Example.org, b.example")
    assert settings.sign_up_domains == "example.org b.example"
    with pytest.raises(BadSettings, match="WORKBENCH_SIGN_UP_DOMAINS"):
        read_settings(sign_up_domains="@example.org")


GOOGLE = {
    "WORKBENCH_OAUTH_GOOGLE_CLIENT_ID": "id",
    "WORKBENCH_OAUTH_GOOGLE_CLIENT_SECRET": "s3cret-word",
}
ACME = {
    "WORKBENCH_OAUTH_ACME_CLIENT_ID": "id",
    "WORKBENCH_OAUTH_ACME_CLIENT_SECRET": "s3cret-word",
    "WORKBENCH_OAUTH_ACME_DISCOVERY_URL": "https://id.acme.example/.well-known/openid-configuration",
}


def test_a_provider_is_there_when_it_is_set(monkeypatch, caplog):
    assert read_providers() == {}
    for name, value in (GOOGLE | ACME).items():
        monkeypatch.setenv(name, value)
    found = read_providers()
    assert list(found) == ["acme", "google"]
    assert found["google"] == {"client_id": "id", "client_secret": "s3cret-word"}
    assert found["acme"]["discovery_url"].startswith("https://id.acme.example/")
    read_settings()
    assert caplog.messages == [], "they are settings"


@pytest.mark.parametrize("missing", [*GOOGLE, *ACME])
def test_a_provider_that_is_set_in_part_is_refused_by_the_variable(monkeypatch, missing):
    given = GOOGLE if missing in GOOGLE else ACME
    for name, value in given.items():
        if name != missing:
            monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=missing) as refused:
        read_providers()
    assert "s3cret-word" not in str(refused.value)


def test_a_setting_of_another_provider_is_refused(monkeypatch):
    for name, value in GOOGLE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORKBENCH_OAUTH_GOOGLE_TENANT", "common")
    with pytest.raises(BadSettings, match="WORKBENCH_OAUTH_GOOGLE_TENANT"):
        read_providers()
