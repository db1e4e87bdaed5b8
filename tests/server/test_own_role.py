"""The server as it runs where it does not own the tables: a member of `workbench_server`, no more."""

from __future__ import annotations

import secrets
import shutil

import asyncpg
import pytest

from workbench.database.address import Address

WORKSPACE = [
    """
    import json, os
    import workbench
    wb = await workbench.connect()
    world = await wb.worlds.add(name="Elsinore")
    persona = await wb.personas.add(name="Hamlet", worldid=world.id)
    await wb.personas.update(persona, kind="prince")
    mine = [record.name for record in await wb.worlds.find()]
    print(json.dumps({"worlds": mine, "url": os.environ["WORKBENCH_DATABASE_URL"]}))
    await wb.close()
    """
]


@pytest.fixture
def role(postgres):
    """A login that is a member of `workbench_server`, and its password."""
    name, password = f"dashboard_{secrets.token_hex(4)}", secrets.token_urlsafe()
    postgres.run(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE workbench_server")
    yield name, password
    postgres.run(f"DROP ROLE IF EXISTS {name}")


def test_a_page_works_with_a_server_that_may_only_sign_people_in(start_server, role):
    server = start_server(WORKSPACE, role=role)
    visitor = server.signed_in()
    printed = visitor.open_page().printed
    assert printed["worlds"] == ["Elsinore"]
    user = Address.parse(printed["url"]).user or ""
    assert user.startswith("workbench_login_")
    assert visitor.ask("/account").status == 200
    assert visitor.ask("/people").status == 200


async def test_the_login_of_a_page_ends_with_it(start_server, role, until):
    server = start_server(WORKSPACE, role=role)
    visitor = server.signed_in()
    page = visitor.open_page()
    url = page.printed["url"]
    await (await asyncpg.connect(url)).close()
    visitor.ask(f"/page/{page.kernel_id}", "POST", {"_xsrf": page.xsrf})
    until(lambda: not server.kernels())
    for _ in range(200):
        try:
            await (await asyncpg.connect(url)).close()
        except asyncpg.PostgresError:
            return
    pytest.fail("the login lives on")


def test_the_home_is_made_where_pages_work(start_server, role, tmp_path):
    home = tmp_path / "a" / "new" / "home"
    server = start_server(WORKSPACE, role=role, home=home)
    assert server.signed_in().open_page().printed["worlds"] == ["Elsinore"]
    assert home.is_dir()


def test_a_page_that_could_not_start_spoils_no_ending(start_server, role, tmp_path):
    home = tmp_path / "home"
    server = start_server(WORKSPACE, role=role, home=home)
    visitor = server.signed_in()
    shutil.rmtree(home)
    assert "could not be shown" in visitor.ask("/").text
    assert server.stop() == 0
