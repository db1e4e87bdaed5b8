"""Settings: read from variables and a .env file, and told without secrets."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest

from workbench.config import Settings, read_settings, set_variables
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
