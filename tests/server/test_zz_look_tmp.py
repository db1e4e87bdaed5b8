import sys, socket
sys.path.insert(0, "/work/main/tests/server")
from datetime import timedelta
from uuid import uuid4
import pytest, asyncio, threading
from house import House, ISSUER, CALLER
from workbench.auth.identity import Identity
CLIENTS=[{"name": n, "client_id": "w", "client_secret": "s"} for n in ("github","google","microsoft")]

async def test_look(start_server, chromium):
    def prepare():
        with socket.create_server(("127.0.0.1", 0)) as free: port = free.getsockname()[1]
        house = House(start_server(port=port, clients=CLIENTS, public_url=f"http://127.0.0.1:{port}"))
        ada = house.move_in("ada", "admin"); eve = house.move_in("eve")
        vic = house.move_in("vic", "viewer"); bob = house.move_in("bob")
        house.run(lambda d: d.accounts.enter(Identity("github", ISSUER, "e2", "eve@example.org", True, "Eve", "Evans"), CALLER))
        house.run(lambda d: d.accounts.enter(Identity("github", ISSUER, "a2", "ada@example.org", True, "Ada", "Lovelace"), CALLER))
        eve = house.sign_in("eve", eve.id); house.sign_in("eve", eve.id); house.sign_in("eve", eve.id); ada = house.sign_in("ada", ada.id)
        house.ask("UPDATE auth.session SET agent='Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1', address='2001:db8:85a3::8a2e:370:7334' WHERE id = (SELECT id FROM auth.session WHERE userid=$1 AND ended_at IS NULL ORDER BY id DESC LIMIT 1)", eve.id)
        eve.post("/account/token", name="nightly export of everything on the build machine", scope="write", days="90")
        eve.post("/account/token", name="report", scope="read", days="7")
        for n in ("Denmark", "Elsinore and its surroundings, with a name that is long"):
            w = house.ask("INSERT INTO world (name, ownerid) VALUES ($1,$2) RETURNING id", n, eve.id)[0]["id"]
            if n == "Denmark": house.ask("INSERT INTO world_member (worldid,userid,role) VALUES ($1,$2,'editor')", w, bob.id)
        for i in range(6): house.ask("INSERT INTO \"user\" (email, role) VALUES ($1, 'viewer')", f"a.person.with.a.rather.long.address.{i}@a-rather-long-department.example.org")
        bob.post("/account/delete", confirm="bob@example.org") if False else None
        ada.post("/people/change", user=vic.id, active="no")
        ada.post("/people/invite", email="first@example.org", role="viewer")
        inv = house.run(lambda d: d.invitations.invite(ada.id, "new@example.org", "admin")).path
        return house, ada, eve, inv
    house, ada, eve, inv = await asyncio.to_thread(prepare)
    port = house.server.port
    base = f"http://127.0.0.1:{port}"
    for scheme, width in (("light", 1100), ("dark", 390), ("light", 390), ("dark", 1100)):
        for who in (ada, eve, None):
            ctx = await chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
            if who: await ctx.add_cookies([{"name": f"workbench-session-{port}", "value": who.visitor.cookies[f"workbench-session-{port}"], "url": base}])
            page = await ctx.new_page()
            errs = []
            page.on("console", lambda m: errs.append(m.text) if m.type in ("error","warning") else None)
            page.on("pageerror", lambda e: errs.append(str(e)))
            name = who.name if who else "nobody"
            async def shot(n):
                wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
                print(n, name, scheme, width, "overflow", wide, errs); errs.clear()
                await page.screenshot(path=f"/tmp/shots/{n}-{name}-{scheme}-{width}.png", full_page=True)
            if who is None:
                await page.goto(base + inv); await shot("invitation")
                await page.goto(base + "/sign-in"); await shot("signin")
            elif who.name == "ada":
                await page.goto(base + "/people"); await page.locator("summary.button").first.click(); await shot("people")
                await page.fill("#invite-email", f"n{width}{scheme}@example.org"); await page.click("text=Make a link"); await shot("invited")
                await page.fill("#invite-email", "eve@example.org"); await page.click("text=Make a link"); await shot("refused")
            else:
                await page.goto(base + "/account"); await shot("account")
                await page.fill("#tokens-name", "x"); await page.click("text=Make a token"); await shot("token")
                await page.goto(base + "/account/delete"); await shot("delete")
                await page.goto(base + "/account/welcome"); await shot("welcome")
                r = await page.goto(base + "/people"); await shot("people403")
            await ctx.close()
