"""A server whose people sign in with the certified provider, and what browsers do there."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import asyncpg
import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "auth"))
from oidc import OpenIDProvider

NAME = "example"


class Site:
    """A server whose people sign in with the real provider."""

    def __init__(self, server, provider: OpenIDProvider) -> None:
        self.server, self.provider = server, provider
        self.url = f"http://127.0.0.1:{server.port}"

    def browser(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=30)

    def leave(self, browser: httpx2.Client, path: str = f"/sign-in/{NAME}") -> str:
        """Go to the provider's page, and return its address."""
        answer = browser.get(path)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def through(self, url: str, login: str, *, deny: bool = False) -> str:
        """Go through the provider's pages; return the address that leads back to us."""
        with httpx2.Client(timeout=30) as elsewhere:
            answer = elsewhere.get(url)
            while True:
                if answer.is_redirect:
                    url = urljoin(str(answer.url), answer.headers["Location"])
                    if url.startswith(self.url):
                        return url
                    answer = elsewhere.get(url)
                    continue
                assert answer.status_code == 200, answer.text
                if deny:
                    [away] = re.findall(r'href="([^"]*/abort)"', answer.text)
                    answer = elsewhere.get(unescape(away))
                    continue
                [action] = re.findall(r'<form[^>]* action="([^"]*)"', answer.text)
                [prompt] = re.findall(r'name="prompt" value="(\w+)"', answer.text)
                form = {"prompt": prompt, "login": login, "password": "any"}
                answer = elsewhere.post(unescape(action), data=form)

    def sign_in(self, browser: httpx2.Client, login: str, path: str = f"/sign-in/{NAME}"):
        return browser.get(self.through(self.leave(browser, path), login))

    def ask(self, query: str, *values: object) -> list[asyncpg.Record]:
        async def work() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.server.database)
            try:
                return await connection.fetch(query, *values)
            finally:
                await connection.close()

        return asyncio.run(work())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def follow(site: Site, elsewhere: httpx2.Client, url: str, login: str) -> str:
    """As `through`, in a browser that stays signed in at the provider."""
    answer = elsewhere.get(url)
    while True:
        if answer.is_redirect:
            url = urljoin(str(answer.url), answer.headers["Location"])
            if url.startswith(site.url):
                return url
            answer = elsewhere.get(url)
            continue
        [action] = re.findall(r'<form[^>]* action="([^"]*)"', answer.text)
        [prompt] = re.findall(r'name="prompt" value="(\w+)"', answer.text)
        answer = elsewhere.post(
            unescape(action), data={"prompt": prompt, "login": login, "password": "any"}
        )


def log_out(site: Site, elsewhere: httpx2.Client) -> None:
    page = elsewhere.get(f"{site.provider.issuer}/session/end")
    [action] = re.findall(r'action="([^"]*)"', page.text)
    [xsrf] = re.findall(r'name="xsrf" value="([^"]*)"', page.text)
    answer = elsewhere.post(unescape(action), data={"xsrf": xsrf, "logout": "yes"})
    assert answer.status_code < 400, answer.text
