"""What the server tells kernels of changes elsewhere: each what is for it, and not too often."""

from __future__ import annotations

import asyncio
import json
import logging
from uuid import uuid4

import pytest

from workbench.dashboard.live import Live as Following
from workbench.dashboard.live import News
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.server.live import LIVE, Live, Page


async def until(condition) -> None:
    """Wait for what other tasks bring about."""
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come about")


def told(page: Page) -> bool:
    """Whether a page watches, and was told what it may have missed."""
    return page.watch is not None and not page.behind


class Kernel:
    """A kernel's end of the line."""

    def __init__(self, live: Live, kernel_id: str, reader) -> None:
        given = live.environment(kernel_id, reader)[LIVE]
        self.secret, _, self.path = given.partition("@")
        self.live, self.id = live, kernel_id

    async def begin(self, world) -> None:
        """Watch a world, and wait until the server has heard of it, and told what was before."""
        await self.watch(world.id)
        await until(lambda: any(p.kernel_id == self.id and told(p) for p in self.live._pages))

    async def watch(self, world, secret: str | None = None) -> None:
        self.reader, self.writer = await asyncio.open_unix_connection(self.path)
        self.writer.write(f"{self.secret if secret is None else secret}\n".encode())
        self.writer.write(json.dumps({"watch": world}, default=str).encode() + b"\n")

    async def told(self, *, anything: bool = False) -> dict:
        """Return what comes next; not that the world itself was added, which may come late."""
        while True:
            said = json.loads(await self.reader.readline())
            if said.get("entity") != "world" and (anything or "anything" not in said):
                return said


@pytest.fixture
def seen() -> set[str]:
    """The kernels whose pages somebody looks at."""
    return {"here", "there"}


@pytest.fixture
async def live(database_url, tmp_path, seen):
    server = Database(Address.parse(database_url))
    made = Live(server, tmp_path, seen.__contains__, logging.getLogger("live"))
    running = asyncio.create_task(made.run())
    await until(lambda: made.listens)
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await server.close()


@pytest.fixture
async def kernel(live):
    """Make the kernel of a page: `kernel("here", user)`."""
    made: list[Kernel] = []

    def kernel(kernel_id: str, reader) -> Kernel:
        made.append(Kernel(live, kernel_id, reader))
        return made[-1]

    yield kernel
    for one in made:
        one.writer.close()
        await one.writer.wait_closed()


async def test_a_kernel_is_told_of_the_world_that_it_shows(live, kernel, wb):
    world, other = [await wb.worlds.add(name=name) for name in ("Elsinore", "Wessex")]
    page = kernel("here", wb.database.userid)
    await page.begin(world)
    await wb.things.add(name="Casterbridge", worldid=other.id)
    skull = await wb.things.add(name="Skull", worldid=world.id)
    told = await page.told()
    assert told == {
        "entity": "thing", "records": [str(skull.id)], "came": True, "world": str(world.id),
    }  # fmt: skip
    await wb.things.update(skull, kind="bone")
    assert (await page.told())["came"] is False


async def test_the_kernel_of_a_stranger_is_told_nothing(live, kernel, wb, sign_in):
    world = await wb.worlds.add(name="Elsinore")
    eve = await sign_in("eve")
    page, witness = kernel("there", eve.database.userid), kernel("here", wb.database.userid)
    await page.begin(world)
    await witness.begin(world)
    await wb.things.add(name="Skull", worldid=world.id)
    assert (await witness.told())["entity"] == "thing"
    await wb.share(world, "eve@example.org")
    assert (await page.told())["entity"] == "world_member"


async def test_whoever_does_not_know_the_secret_is_hung_up_on(live, kernel, wb):
    page = kernel("here", wb.database.userid)
    await page.watch(None, secret="guessed")
    assert await page.reader.read() == b""
    page.writer.close()
    live.forget("here")
    await page.watch(None)
    assert await page.reader.read() == b""


async def test_a_page_that_nobody_looks_at_is_told_once_somebody_does(live, kernel, wb, seen):
    world = await wb.worlds.add(name="Elsinore")
    page = kernel("here", wb.database.userid)
    await page.begin(world)
    witness = kernel("there", wb.database.userid)
    await witness.begin(world)
    seen.remove("here")
    await wb.things.add(name="Skull", worldid=world.id)
    assert (await witness.told())["entity"] == "thing"
    seen.add("here")
    live.seen("here")
    assert await page.told(anything=True) == {"anything": True}


async def test_what_is_changed_before_a_kernel_watches_is_told_once_it_does(live, kernel, wb):
    world = await wb.worlds.add(name="Elsinore")
    page, witness = kernel("here", wb.database.userid), kernel("there", wb.database.userid)
    await witness.begin(world)
    await wb.things.add(name="Skull", worldid=world.id)
    assert (await witness.told())["entity"] == "thing"
    await page.begin(world)
    assert await page.told(anything=True) == {"anything": True}


async def test_a_kernel_that_was_slow_to_read_is_told_when_it_has_read(live, kernel, wb):
    world = await wb.worlds.add(name="Elsinore")
    page = kernel("here", wb.database.userid)
    await page.begin(world)
    (there,) = live._pages
    for _ in range(100):  # more than the system holds for it
        there._writer.write(b" " * 60_000 + b"\n")
    await wb.things.add(name="Skull", worldid=world.id)
    await until(lambda: there.behind)
    while (await page.reader.readline()).strip():
        pass  # what it was told before
    while b"anything" not in await page.reader.readline():
        pass


@pytest.mark.parametrize("said", [5, ["here"], "nowhere"])
async def test_a_kernel_that_watches_what_is_no_world_is_hung_up_on(live, kernel, wb, caplog, said):
    page = kernel("here", wb.database.userid)
    await page.watch(said)
    assert await page.reader.read() == b""
    assert caplog.records == []


async def test_forged_notifications_make_pages_look_a_few_times_at_most(live, kernel, wb, sql):
    world = await wb.worlds.add(name="Elsinore")
    page = kernel("here", wb.database.userid)
    await page.begin(world)
    await sql.execute("NOTIFY workbench_changed, 'nonsense'")
    await sql.execute(f"NOTIFY workbench_changed, '{uuid4()} 0'")
    await sql.execute(
        "SELECT pg_notify('workbench_changed', gen_random_uuid()::text || ' ' || n)"
        " FROM generate_series(1, 20000) AS n"
    )
    skull = await wb.things.add(name="Skull", worldid=world.id)
    lines = 0
    while (told := await page.told(anything=True)).get("records") != [str(skull.id)]:
        assert told == {"anything": True}
        lines += 1
        await wb.things.update(await wb.things.get(skull.id), kind=f"after {lines}")
        assert lines < 20


async def test_a_page_takes_in_what_it_hears_of_the_world_that_it_shows(live, wb, monkeypatch):
    world = await wb.worlds.add(name="Elsinore")
    variables = live.environment("here", wb.database.userid)
    monkeypatch.setenv(LIVE, variables[LIVE])
    taken: asyncio.Queue[News] = asyncio.Queue()

    async def take(news) -> None:
        for one in news:
            taken.put_nowait(one)
            if one.entity == "persona":
                raise ValueError("a page that fails once goes on")

    following = Following(take)
    following.watch(world.id)
    running = asyncio.create_task(following.run())
    await until(lambda: any(map(told, live._pages)))
    await wb.personas.add(name="Yorick", worldid=world.id)
    while (await taken.get()).entity != "persona":
        pass
    skull = await wb.things.add(name="Skull", worldid=world.id)
    assert await taken.get() == News("thing", frozenset({str(skull.id)}), True)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_without_a_server_a_page_hears_nothing(monkeypatch):
    monkeypatch.delenv(LIVE, raising=False)

    async def take(news) -> None:
        raise AssertionError(news)

    await Following(take).run()
