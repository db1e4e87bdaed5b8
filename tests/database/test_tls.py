"""TLS as managed PostgreSQL services ask for it, for asyncpg and for libpq (frames) alike."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from sqlalchemy import text

from workbench.database import columnar
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.health import examine
from workbench.errors import BadSettings, StoreUnavailable

PASSWORD = "s3cret-word"
DEBIAN = Path("/usr/lib/postgresql/15/bin")
ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
SSL_REQUEST, GSS_REQUEST = (struct.pack("!ii", 8, code) for code in (80877103, 80877104))


class Front:
    """Speaks TLS before the embedded server, which is built without it; counts who comes so."""

    def __init__(self, behind: str, context: ssl.SSLContext) -> None:
        self.behind, self.context, self.encrypted = behind, context, 0
        self.offers_tls = True

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError), contextlib.closing(writer):
            while (first := await reader.readexactly(8)) in (SSL_REQUEST, GSS_REQUEST):
                agreed = first == SSL_REQUEST and self.offers_tls
                writer.write(b"S" if agreed else b"N")
                if agreed:
                    await writer.start_tls(self.context)
                    self.encrypted += 1
            onward = await asyncio.open_unix_connection(self.behind)
            onward[1].write(first)
            await asyncio.gather(pump(reader, onward[1]), pump(onward[0], writer))

    def url(self, *, host: str = "127.0.0.1", **options: str) -> str:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://workbench:{PASSWORD}@{host}:{self.port}/workbench?{query}".rstrip("?")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError), contextlib.closing(writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The authority that signed the server's certificate, another one, a broken file, none."""
    folder = tmp_path_factory.mktemp("authorities")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    (folder / "broken.pem").write_text("no certificate")
    return {path.stem: str(path) for path in folder.iterdir()} | {"none": str(folder / "none.pem")}


@pytest.fixture(scope="module")
async def front(server: Any, authority: trustme.CA) -> AsyncIterator[Front]:
    """A server whose certificate is for `localhost`, not for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    where = parse_qs(urlsplit(server.owner).query)
    made = Front(f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}", context)
    listening = await asyncio.start_server(made, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()


@pytest.fixture
def plain_front(front: Front) -> Iterator[Front]:
    """The same server, which offers no TLS for a moment."""
    front.offers_tls = False
    yield front
    front.offers_tls = True


async def over_asyncpg(url: str) -> None:
    database = Database(Address.parse(url), connect_timeout_seconds=5)
    try:
        async with database.reading() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
    finally:
        await database.close()


async def over_libpq(url: str) -> None:
    database = Database(Address.parse(url), connect_timeout_seconds=5)
    try:
        table = await columnar.columns(database, "SELECT 1")
        assert table.column(0)[0].as_py() == 1
    finally:
        columnar.close(database)
        await database.close()


both = pytest.mark.parametrize("through", [over_asyncpg, over_libpq])


@both
async def test_require_is_encrypted(front, through):
    before = front.encrypted
    await through(front.url(sslmode="require"))
    assert front.encrypted > before


@both
async def test_without_a_mode_it_is_encrypted_where_the_server_can(front, through):
    before = front.encrypted
    await through(front.url())
    assert front.encrypted > before


@both
async def test_disable_is_not_encrypted(front, through):
    before = front.encrypted
    await through(front.url(sslmode="disable"))
    assert front.encrypted == before


@both
async def test_verify_full_holds_with_the_right_authority_and_name(front, files, through):
    url = front.url(host="localhost", sslmode="verify-full", sslrootcert=files["ca"])
    before = front.encrypted
    await through(url)
    assert front.encrypted > before


@both
async def test_verify_ca_does_not_mind_the_name(front, files, through):
    before = front.encrypted
    await through(front.url(sslmode="verify-ca", sslrootcert=files["ca"]))
    assert front.encrypted > before


@both
async def test_another_authority_is_refused_and_told(front, files, through):
    url = front.url(host="localhost", sslmode="verify-full", sslrootcert=files["other"])
    with pytest.raises(StoreUnavailable, match=r"certificate.*sslrootcert") as told:
        await through(url)
    assert PASSWORD not in str(told.value)


@both
async def test_another_host_name_is_refused_and_told(front, files, through):
    url = front.url(sslmode="verify-full", sslrootcert=files["ca"])
    with pytest.raises(StoreUnavailable, match=r"certificate.*127\.0\.0\.1") as told:
        await through(url)
    assert PASSWORD not in str(told.value)


@both
@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
async def test_verifying_without_an_authority_says_what_to_give(
    front, through, mode, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))  # where no ~/.postgresql/root.crt is
    with pytest.raises((BadSettings, StoreUnavailable), match="sslrootcert") as told:
        await through(front.url(host="localhost", sslmode=mode))
    assert PASSWORD not in str(told.value)


@both
@pytest.mark.parametrize("which", ["none", "broken"])
async def test_a_file_of_authorities_that_cannot_be_used_is_named(front, files, through, which):
    url = front.url(host="localhost", sslmode="verify-full", sslrootcert=files[which])
    with pytest.raises((BadSettings, StoreUnavailable), match="sslrootcert") as told:
        await through(url)
    assert PASSWORD not in str(told.value)


@both
async def test_a_server_without_tls_is_refused_where_tls_is_required(plain_front, through):
    with pytest.raises(StoreUnavailable, match="TLS") as told:
        await through(plain_front.url(sslmode="require"))
    assert PASSWORD not in str(told.value)
    before = plain_front.encrypted
    await through(plain_front.url(sslmode="prefer"))
    assert plain_front.encrypted == before


@pytest.mark.skipif(not (DEBIAN / "postgres").exists(), reason="needs Debian's postgresql-15")
async def test_a_real_server_with_tls_says_itself_that_both_lines_are_encrypted(
    other_server: Any, authority: trustme.CA, files: dict[str, str]
):
    certificate = authority.issue_cert("localhost")
    other = await asyncio.to_thread(
        other_server,
        "ssl=on",
        programs=DEBIAN,
        server_key=certificate.private_key_pem.bytes(),
        server_crt=b"".join(blob.bytes() for blob in certificate.cert_chain_pems),
    )
    url = other.url(host="localhost", sslmode="verify-full", sslrootcert=files["ca"])
    database = Database(Address.parse(url))
    found = await columnar.columns(database, ENCRYPTED)
    assert found.to_pylist() == [{"ssl": True}]
    said = [finding.what async for finding in examine(database)]
    assert "The connection is encrypted." in said
    columnar.close(database)
    await database.close()


def test_files_are_not_looked_for_before_connecting(tmp_path: Path):
    """An address can be told and shown where its files are not."""
    address = Address.parse(f"postgresql://ada@db/worlds?sslrootcert={tmp_path}/none.pem")
    assert str(address) == "ada@db/worlds"
