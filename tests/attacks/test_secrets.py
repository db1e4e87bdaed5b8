"""What a notebook shows, and whom the product asks: no password, and nobody whom a user names."""

from __future__ import annotations

import ast
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from IPython.core.interactiveshell import InteractiveShell

import workbench
from workbench.database.address import Address
from workbench.database.engine import Database
from workbench.database.logins import OwnLogin
from workbench.errors import WorkbenchError
from workbench.workspace import Workspace

PACKAGE = Path(workbench.__file__).parent


async def test_no_output_of_a_cell_shows_the_password(people):
    login = people.logins["ann"]
    address = Address.parse(people.url).signed_in(login.role, login.password)
    own = OwnLogin(people.owner, people.ids["ann"], "tests")
    wb = Workspace(Database(address, userid=people.ids["ann"], source="tests", login=own))
    world = await wb.worlds.get(people.world)
    shown = [
        wb,
        wb.database,
        wb.database.engine,
        wb.database.engine.url,
        address,
        login,
        own,
        world,
    ]
    shown += [wb.worlds, wb.scene_personas, await wb.worlds.find(), await wb.changes()]
    async with wb.database.reading() as connection:
        shown += [connection, connection.engine]
    formatter = InteractiveShell.instance().display_formatter
    secrets = {login.password, quote(login.password, safe="")}
    for one in shown:
        told = f"{one} {one!r} {[one]} {formatter.format(one)}"
        assert not [secret for secret in secrets if secret in told], type(one)
    await wb.close()


@pytest.mark.parametrize("wrong", ["password", "database", "host"])
async def test_no_failure_to_connect_shows_the_password(people, wrong):
    login, secret = people.logins["ann"], "a-password-nobody-may-see"
    if wrong == "password":
        address = Address.parse(people.url).signed_in(login.role, secret)
    elif wrong == "database":
        address = Address.parse(people.url.replace("/test_", "/nowhere_")).signed_in("eve", secret)
    else:
        address = Address.parse(f"postgresql://eve:{secret}@127.0.0.1:9/nowhere")
    database = Database(address)
    with pytest.raises(WorkbenchError) as refused:
        await Workspace(database).worlds.count()
    assert secret not in "".join(traceback.format_exception(refused.value))
    await database.close()


ASKING = (
    *("httpx", "httpx2", "requests", "aiohttp", "urllib3", "urllib.request"),
    *("http.client.HTTPConnection", "http.client.HTTPSConnection"),
    *("tornado.httpclient", "tornado.simple_httpclient", "ftplib", "smtplib", "xmlrpc.client"),
)


def test_nothing_is_fetched_from_an_address_that_a_user_gives():
    """By HTTP ask only signing in, of providers in the settings, and work at a server elsewhere."""
    asking = set()
    for module in PACKAGE.rglob("*.py"):
        if "node_modules" in module.parts:
            continue
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
            if set(names) & set(ASKING):
                asking.add(module.relative_to(PACKAGE).as_posix())
    assert asking == {"auth/providers/conversation.py", "auth/wire.py"}
