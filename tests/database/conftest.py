"""Further PostgreSQL servers, which listen on a port as those in the wide world do."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from workbench.database.embedded_place import Account, find_place, find_programs

PASSWORD = "s3cret-word"


def in_own_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` on a loop of its own: fixtures may already run in one."""
    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    thread.join()


@dataclass
class OtherServer:
    """A PostgreSQL server of somebody else, on a port, with passwords."""

    programs: Path
    account: Account
    folder: Path
    port: int

    def _run(self, *command: str) -> None:
        with (self.folder / "said.log").open("ab") as said:
            subprocess.run(
                [str(self.programs / command[0]), *command[1:]],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd="/",
                env={"LC_ALL": "C", "PATH": os.defpath},
                **self.account.options,
            )

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def make(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD)
        os.chown(self.folder, self.account.uid, self.account.gid)
        os.chown(password, self.account.uid, self.account.gid)
        self._run(
            "initdb",
            f"--pgdata={self.data}",
            "--username=admin",
            "--auth=scram-sha-256",
            f"--pwfile={password}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )

    def start(self, *settings: str) -> None:
        options = " ".join(
            f"-c {setting}"
            for setting in (
                "listen_addresses=127.0.0.1",
                f"port={self.port}",
                f"unix_socket_directories={self.folder}",
                "fsync=off",
                "shared_buffers=16MB",
                *settings,
            )
        )
        log = self.folder / "server.log"
        self._run("pg_ctl", "-w", "-D", str(self.data), "-l", str(log), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-D", str(self.data), "-m", "immediate", "stop")

    def url(
        self,
        database: str = "postgres",
        *,
        user: str = "admin",
        password: str = PASSWORD,
        host: str = "127.0.0.1",
        **options: str,
    ) -> str:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{user}:{password}@{host}:{self.port}/{database}?{query}".rstrip("?")

    def run(self, *statements: str) -> None:
        """Run SQL as the superuser, over the socket."""

        async def work() -> None:
            connection = await asyncpg.connect(
                host=str(self.folder),
                port=self.port,
                user="admin",
                password=PASSWORD,
                database="postgres",
            )
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        in_own_loop(work)


@pytest.fixture(scope="session")
def other_server(server: object, home: Path) -> Iterator[Callable[..., OtherServer]]:
    """Make and start servers: of the embedded programs, or of those in a folder."""
    place = find_place(home)
    made: list[OtherServer] = []

    def make(*settings: str, programs: Path | None = None, **files: bytes) -> OtherServer:
        folder = Path(tempfile.mkdtemp(prefix="workbench-other-"))
        folder.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        other = OtherServer(programs or find_programs(place) / "bin", place.account, folder, port)
        made.append(other)
        other.make()
        for name, content in files.items():
            path = other.data / name.replace("_", ".")
            path.write_bytes(content)
            path.chmod(0o600)
            os.chown(path, place.account.uid, place.account.gid)
        other.start(*settings)
        return other

    yield make
    for other in made:
        if (other.data / "postmaster.pid").exists():
            other.stop()
        shutil.rmtree(other.folder)
