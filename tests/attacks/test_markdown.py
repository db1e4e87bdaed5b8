"""What people write as Markdown runs nothing, leads nowhere unseen, and tells of nothing hidden."""

from __future__ import annotations

import json
import re
from uuid import uuid4

import pytest

from workbench.editing.writing import RecordWriting
from workbench.widgets.markdown import MOST_CHARACTERS, described, mention

TAGS = {
    "p",
    "ul",
    "ol",
    "li",
    "blockquote",
    "em",
    "strong",
    "span",
    "a",
    "br",
    "hr",
    "h2",
    "code",
    "pre",
    "div",
}
HREF = re.compile(r"(https?://|mailto:)[^\s<>\"'\\]+", re.IGNORECASE)

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](java%73cript:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](\\javascript:alert(1))",
    "[x](<java\tscript:alert(1)>)",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:image/png;base64,AAAA)",
    "[x](vbscript:x) [y](file:///etc/passwd) [z](//evil.example) [w](?place=worlds) [v](/sign-out)",
    "<javascript:alert(1)> <vbscript:x>",
    "[x]: javascript:alert(1)\n\n[x]",
    "![x](https://evil.example/pixel.png) ![y](javascript:alert(1))",
    '[x](https://a.example "onclick=alert(1)") [x](https://a.example" onclick="alert(1))',
    "[x](record:persona/../../worlds) [y](record:persona/x) [z](record:user/" + str(uuid4()) + ")",
    "[x](RECORD:persona/" + str(uuid4()) + ") [y](record:world/" + str(uuid4()) + ")",
    "```js onload=alert(1)\n</code></pre><script>alert(1)</script>\n```",
    "`</code><script>alert(1)</script>`",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "[<img src=x onerror=alert(1)>](https://a.example)",
]

WEARING = {
    "brackets": "[",
    "links in links": "[a](",
    "quotes": ">",
    "lists": "> - ",
    "stars": "*a_ ",
    "emphasis": "a**b",
    "ticks": "`a``b",
    "pictures": "![[",
    "angles": "<http:",
    "entities": "&",
    "lines": "a\n",
}


def walked(nodes, depth=1):
    for node in nodes:
        yield node, depth
        yield from walked(node.get("children", ()), depth + 1)


def harmless(nodes) -> None:
    for node, _ in walked(nodes):
        assert node["tag"] in TAGS
        attributes = node.get("attributes", {})
        assert set(attributes) <= {"href", "class", "title"}
        assert "action" not in node
        if "href" in attributes:
            assert HREF.fullmatch(attributes["href"])


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_could_run_comes_of_it(text):
    harmless(described(text, {}))


@pytest.mark.parametrize("text", WEARING.values(), ids=WEARING)
def test_what_wears_a_reader_down_is_bounded_in_depth_and_size(text):
    text = (text * MOST_CHARACTERS)[:MOST_CHARACTERS]
    nodes = described(text, {})
    harmless(nodes)
    assert max(depth for _, depth in walked(nodes)) < 60
    assert len(json.dumps(nodes)) < 60 * MOST_CHARACTERS


def test_texts_that_are_longer_are_shown_as_they_are():
    text = "[" * (MOST_CHARACTERS + 1)
    assert [(node["tag"], node["text"]) for node in described(text, {})] == [("p", text)]


async def test_a_link_to_what_one_may_not_see_is_as_one_to_what_there_is_not(wb, sign_in):
    hidden = await wb.worlds.add(name="Hidden")
    shared = await wb.worlds.add(name="Shared")
    await sign_in("eve")
    await wb.share(shared, "eve@example.org")
    eve = await sign_in("eve")
    secret = await wb.personas.add(name="Secret", worldid=hidden.id)
    gone = await wb.personas.add(name="Gone", worldid=shared.id)
    await wb.personas.remove(gone)
    seen = await wb.personas.add(name="Seen", worldid=shared.id)
    writing = RecordWriting(eve.database, shared.id)
    answers = [
        await writing.read(mention("persona", str(id), "somebody"))
        for id in (secret.id, gone.id, uuid4())
    ]
    assert answers[0] == answers[1] == answers[2]
    harmless(answers[0])
    assert "Secret" not in json.dumps(answers)
    assert "?place=persona/" in json.dumps(await writing.read(mention("persona", str(seen.id), "")))
    assert [choice.label for choice in await writing.find("se")] == ["Seen"]


async def test_a_link_survives_a_rename(wb):
    world = await wb.worlds.add(name="Denmark")
    persona = await wb.personas.add(name="Mina Murray", worldid=world.id)
    (choice,) = await RecordWriting(wb.database, world).find("murr")
    await wb.personas.update(persona, name="Mina Harker")
    (paragraph,) = await RecordWriting(wb.database, world).read(choice.value)
    assert paragraph["children"][0]["text"] == "Mina Harker"
