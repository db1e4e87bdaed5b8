"""What every command says, and the status it ends with."""

from __future__ import annotations

import asyncio
import re

import asyncpg
import pytest
import typer
from typer.testing import CliRunner

import workbench
from workbench.cli import app
from workbench.database.migrate import head

SECRET = "s3cret-word"
COMMANDS = [
    *("up", "lab", "migrate", "demo", "import", "apply", "export", "forget"),
    *("archive", "bible", "restore"),
    *("login", "logout", "whoami", "doctor"),
]


def test_help_lists_every_command():
    said = CliRunner().invoke(app, ["--help"]).output
    for command in COMMANDS:
        assert re.search(rf"^\s+{command}\s+\w", said, re.MULTILINE), command
    assert sorted(typer.main.get_command(app).commands) == sorted([*COMMANDS, "users"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"{command} [OPTIONS]" in result.output
    assert len(result.output.splitlines()[2].strip()) > 20


def test_the_command_runs_as_a_module_without_loading_anything_heavy(workbench):
    done = workbench("--help")
    assert done.returncode == 0
    assert "doctor" in done.stdout


def test_the_version_is_told():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"workbench {workbench.__version__}\n")


def test_an_unknown_command_and_a_missing_argument_are_told(workbench):
    for arguments in (["nonsense"], ["import"], ["export", "folder"]):
        done = workbench(*arguments)
        assert done.returncode == 2
        assert done.stderr
        assert "Traceback" not in done.stderr


REFUSED = f"postgresql://ada:{SECRET}@127.0.0.1:1/worlds"


@pytest.mark.parametrize(
    ("command", "variable", "value", "words"),
    [
        ("doctor", "POOL_SIZE", SECRET, "WORKBENCH_POOL_SIZE"),
        ("migrate", "DATABASE_URL", f"mysql://ada:{SECRET}@db/worlds", "start with postgresql://"),
        ("demo", "DATABASE_URL", f"postgresql://ada:{SECRET}@db:x/worlds", "cannot be read"),
        ("up --port 0", "USER", SECRET, "WORKBENCH_USER"),
        ("doctor", "DATABASE_URL", REFUSED, "nothing answers there"),
        ("up --port 0", "DATABASE_URL", REFUSED, "nothing answers there"),
    ],
)
def test_bad_settings_are_a_sentence_and_status_1(workbench, command, variable, value, words):
    workbench.variables[f"WORKBENCH_{variable}"] = value
    done = workbench(*command.split())
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert words in said
    assert SECRET not in said
    assert "Traceback" not in said


def test_a_misspelt_setting_is_warned_of(workbench):
    workbench.variables["WORKBENCH_DATABSE_URL"] = REFUSED
    done = workbench("doctor")
    assert done.returncode == 0
    assert done.stderr == (
        "WORKBENCH_DATABSE_URL is no setting of workbench and is ignored. "
        "Did you mean WORKBENCH_DATABASE_URL?\n"
    )


def test_a_file_env_is_read(workbench, database_url):
    del workbench.variables["WORKBENCH_DATABASE_URL"]
    (workbench.folder / ".env").write_text(f"WORKBENCH_DATABASE_URL={database_url}\n")
    done = workbench("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "BAD" not in done.stdout
    for words in ("a server by URL", "it is PostgreSQL", f"revision {head()}", "0 worlds"):
        assert words in done.stdout


def test_migrate_twice(workbench, empty_database):
    workbench.variables["WORKBENCH_DATABASE_URL"] = empty_database
    first = workbench("migrate")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == f"The schema went from nothing to {head()}.\n"
    second = workbench("migrate")
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == f"The schema is at {head()} already.\n"


def test_commands_on_a_database_without_tables_say_to_migrate(workbench, empty_database):
    workbench.variables["WORKBENCH_DATABASE_URL"] = empty_database
    done = workbench("demo")
    assert done.returncode == 1
    assert "Run `workbench migrate`" in done.stderr


def test_doctor_says_what_is_wrong_and_what_to_do(workbench, empty_database):
    workbench.variables["WORKBENCH_DATABASE_URL"] = empty_database
    done = workbench("doctor")
    assert done.returncode == 1
    assert re.search(r"BAD  .*revision none.*\n +→ Run `workbench migrate`\.\n$", done.stdout)


def test_doctor_speaks_in_terminals_without_unicode(workbench, empty_database):
    workbench.variables |= {
        "WORKBENCH_DATABASE_URL": empty_database,
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
    }
    done = workbench("doctor")
    assert done.returncode == 1
    assert "Run `workbench migrate`." in done.stdout
    assert done.stderr == ""


async def test_doctor_and_migrate_refuse_a_newer_database(workbench, sql):
    await sql.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in ("doctor", "migrate", "up --port 0"):
        done = workbench(*command.split())
        assert done.returncode == 1
        assert "9999" in done.stdout + done.stderr
        assert "newer" in done.stdout + done.stderr


def test_demo_is_there_and_comes_back_to_how_it_was(workbench):
    first = workbench("demo")
    assert (first.returncode, first.stderr) == (0, "")
    assert "Everything is written." in first.stdout
    assert "worlds: 1 read, 1 inserted" in first.stdout
    second = workbench("demo")
    assert second.returncode == 0
    assert "worlds: 1 read, 0 inserted, 0 updated, 1 unchanged" in second.stdout


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("typer", "Stopped before anything began.\n"),
        ("workbench.wiring", "Stopped. What was under way is undone.\n"),
    ],
)
def test_ctrl_c_while_libraries_load_is_told_in_a_sentence(workbench, tmp_path, module, said):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupted())\n"
    )
    workbench.variables["PYTHONPATH"] = str(tmp_path)
    done = workbench("import", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", said)


def test_users_are_listed_added_and_changed(workbench):
    assert workbench("users", "add", "Eve@example.org", "--role", "viewer").returncode == 0
    again = workbench("users", "add", "eve@example.org")
    assert again.returncode == 1
    assert "already" in again.stderr
    done = workbench("users", "change", "eve@example.org", "--role", "editor", "--inactive")
    assert done.returncode == 0
    listed = workbench("users", "list").stdout
    assert "Eve@example.org  editor    (may not sign in)" in listed
    for wrong, told in (
        (("add", "nobody"), "email"),
        (("add", "x@example.org", "--role", "king"), "viewer, editor, admin"),
        (("change", "nobody@example.org", "--active"), "No user"),
    ):
        refused = workbench("users", *wrong)
        assert refused.returncode == 1
        assert told in refused.stderr
        assert "Traceback" not in refused.stderr
    nothing = workbench("users", "change", "eve@example.org")
    assert nothing.returncode == 2
    assert "Nothing to change" in nothing.stderr
    assert nothing.stdout == ""


def test_users_are_invited_by_a_link_that_is_printed_once(workbench):
    done = workbench("users", "invite", "Ada@example.org", "--role", "admin")
    assert done.returncode == 0
    (link,) = re.findall(r"http://127\.0\.0\.1:8866/invitation/[\w-]{43}$", done.stdout, re.M)
    assert "Ada@example.org" in done.stdout
    assert "as admin" in done.stdout
    assert "WORKBENCH_PUBLIC_URL" in done.stderr
    workbench.variables["WORKBENCH_PUBLIC_URL"] = "https://worlds.example.org"
    assert "nobody can sign in by this link" in done.stderr
    assert "Ada@example.org  admin  (invited until 2" in workbench("users", "list").stdout
    for name, value in (("ID", "x"), ("SECRET", "y")):
        workbench.variables[f"WORKBENCH_OAUTH_GITHUB_CLIENT_{name}"] = value
    again = workbench("users", "invite", "ada@example.org")
    assert "\n    https://worlds.example.org/invitation/" in again.stdout
    assert (again.stderr, link in again.stdout) == ("", False)
    for wrong, told in (("nobody", "email"), ("x@example.org --role king", "viewer, editor")):
        refused = workbench("users", "invite", *wrong.split())
        assert refused.returncode == 1
        assert told in refused.stderr


def test_the_last_administrator_cannot_be_changed_away_by_a_command(workbench):
    assert workbench("demo").returncode == 0
    refused = workbench("users", "change", "tester@localhost", "--role", "editor")
    assert refused.returncode == 1
    assert "last administrator" in refused.stderr


@pytest.fixture
def execute(database_url):
    """Run a statement as the owner of the tables."""

    async def work(statement: str) -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute(statement)
        await connection.close()

    return lambda statement: asyncio.run(work(statement))


def test_users_are_found_and_who_was_deleted_is_brought_back(workbench, execute):
    for name in ("ann", "eve"):
        workbench("users", "add", f"{name}@example.org")
    assert workbench("users", "list", "ANN").stdout == "ann@example.org  editor\n"
    assert workbench("users", "restore", "eve@example.org").returncode == 1
    execute("UPDATE \"user\" SET deleted_at = now() WHERE email = 'eve@example.org'")
    assert "eve@example.org  editor    (deleted)" in workbench("users", "list").stdout
    assert workbench("users", "restore", "EVE@example.org").returncode == 0
    assert "deleted" not in workbench("users", "list").stdout


ACME = {
    "WORKBENCH_OAUTH_ACME_CLIENT_ID": "id",
    "WORKBENCH_OAUTH_ACME_CLIENT_SECRET": SECRET,
    "WORKBENCH_OAUTH_ACME_DISCOVERY_URL": "http://127.0.0.1:1/.well-known/openid-configuration",
}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "WORKBENCH_PUBLIC_URL: it is not set"),
        ({"WORKBENCH_PUBLIC_URL": "bench.example.org"}, "WORKBENCH_PUBLIC_URL: It must be https"),
        ({"WORKBENCH_OAUTH_ACME_CLIENT_ID": ""}, "WORKBENCH_OAUTH_ACME_CLIENT_ID: it is not set"),
        ({"WORKBENCH_SIGN_UP": "domain"}, "WORKBENCH_SIGN_UP_DOMAINS"),
    ],
)
def test_sign_in_that_is_set_up_wrongly_stops_the_start_by_its_variable(
    workbench, variables, words
):
    workbench.variables |= ACME | variables
    done = workbench("up", "--port", "0")
    assert done.returncode == 1
    assert words in done.stderr
    assert SECRET not in done.stderr


def test_doctor_tells_of_a_provider_that_does_not_answer(workbench):
    workbench.variables |= ACME | {"WORKBENCH_PUBLIC_URL": "http://127.0.0.1:8866"}
    done = workbench("doctor")
    assert done.returncode == 1
    assert re.search(r"BAD  Signing in by acme does not begin: .*\n +→ .+", done.stdout, re.I)
    assert SECRET not in done.stdout


def test_a_public_database_url_that_cannot_be_read_is_named(workbench):
    workbench.variables["WORKBENCH_PUBLIC_DATABASE_URL"] = f"mysql://ada:{SECRET}@db/worlds"
    done = workbench("up", "--port", "0")
    assert done.returncode == 1
    assert "WORKBENCH_PUBLIC_DATABASE_URL starts with" in done.stderr
    assert SECRET not in done.stderr


def test_inviting_is_the_first_thing_one_may_do_with_an_installation(workbench, home):
    del workbench.variables["WORKBENCH_DATABASE_URL"]
    workbench.variables["WORKBENCH_HOME"] = str(home / "inviting first")
    done = workbench("users", "invite", "ada@example.org", "--role", "admin")
    assert done.returncode == 0, done.stderr
    assert "/invitation/" in done.stdout
