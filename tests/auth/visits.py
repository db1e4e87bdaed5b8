"""What browsers do between leaving for a provider and coming back."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2
from stand_ins import CLIENT_ID, CLIENT_SECRET, StandIn

from workbench.auth.flow import Flow
from workbench.auth.identity import Client, Identity
from workbench.auth.providers import Provider, provider_of

REDIRECT_URI = "http://127.0.0.1:8866/sign-in/callback"


def flow_of(made: Callable[[Client, str], Provider] = provider_of, **about: str | None) -> Flow:
    """Return a flow of one provider, made as a test says."""
    usual = {"name": "example", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return Flow([Client(**{**usual, **about})], lambda _: REDIRECT_URI, made)


async def signed_in(flow: Flow, stand_in: StandIn, name: str = "example") -> Identity:
    """Sign in with a stand-in, which asks nothing of the person."""
    url, pending = await flow.begin(name)
    return await flow.finish(name, pending, stand_in.visit(url))


async def browse(
    url: str, login: str, *, deny: bool = False, browser: httpx2.AsyncClient | None = None
) -> dict[str, str]:
    """Go through the real provider's pages as `login`; return the query that comes back."""
    async with httpx2.AsyncClient() as fresh:
        browser = browser or fresh
        answer = await browser.get(url)
        while True:
            if answer.is_redirect:
                url = urljoin(str(answer.url), answer.headers["Location"])
                if url.startswith(REDIRECT_URI):
                    return dict(parse_qsl(urlsplit(url).query))
                answer = await browser.get(url)
                continue
            assert answer.status_code == 200, answer.text
            if deny:
                [away] = re.findall(r'href="([^"]*/abort)"', answer.text)
                answer = await browser.get(unescape(away))
                continue
            [action] = re.findall(r'<form[^>]* action="([^"]*)"', answer.text)
            [prompt] = re.findall(r'name="prompt" value="(\w+)"', answer.text)
            form = {"prompt": prompt, "login": login, "password": "any"}
            answer = await browser.post(unescape(action), data=form)
