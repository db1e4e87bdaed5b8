"""A world as a book to read: complete, linked, harmless whatever the names are."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from playwright.async_api import Browser

from workbench.demo import demo_folder
from workbench.errors import NotFound, Refused
from workbench.workspace import Workspace

NAMES = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "![x](http://example.org/x.png)",
    "a | b | c",
    "# no heading",
    "- no list",
    "1. no list",
    "> no quote",
    "```no code```",
    "~~~",
    "===",
    "*a* _b_ `c` **d**",
    "<http://example.org>",
    "http://example.org/x",
    "back\\slash \\<b\\>",
    "&lt;b&gt; &amp; &#60;",
    '" onmouseover="alert(1)',
    "]] ]]> -->",
    "\u202eabc",
    "Ünï & 絵 🗡",
    "[a]: http://example.org",
    "{{ x }} ${y} $z$",
]
VOID = {"meta", "img", "br"}
ELEMENTS = [
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "a",
    "nav",
    "p",
    "bdi",
    "ol",
    "ul",
    "li",
    "main",
    "header",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "section",
    "article",
    "span",
    "dl",
    "div",
    "dt",
    "dd",
    "img",
    "br",
    "footer",
]
ATTRIBUTES = [
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "href",
    "id",
    "aria-label",
    "aria-labelledby",
    "src",
    "alt",
    "loading",
    "rel",
]


class Reader(HTMLParser):
    """Reads a page strictly: what is open is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.alts: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS, tag
        said = dict(attrs)
        assert set(said) <= set(ATTRIBUTES), said
        self.ids += [said["id"]] if said.get("id") else []
        self.links += [said["href"] or ""] if "href" in said else []
        if tag == "img":
            self.sources.append(said["src"] or "")
            self.alts.append(said["alt"] or "")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if any(re.fullmatch("h[1-6]", tag) for tag in self.open):
            level, text = self.headings[-1]
            self.headings[-1] = level, text + data


def read(path: Path) -> str:
    return path.read_text("utf-8")


async def hostile(wb: Workspace) -> None:
    world = await wb.worlds.add(name="<b>World</b>", attributes={"language": 'en" onload="x'})
    story = await wb.stories.add(worldid=world.id, name="</title><script>")
    act = await wb.acts.add(storyid=story.id, name="Act")
    for number, name in enumerate(NAMES):
        persona = await wb.personas.add(
            worldid=world.id,
            name=name,
            kind=name,
            aliases=[name],
            description=f"{name}\n\n    {name}\n{name}",
            attributes={name: name},
        )
        place = await wb.locations.add(worldid=world.id, name=name)
        await wb.things.add(worldid=world.id, name=name, personaid=persona.id, locationid=place.id)
        scene = await wb.scenes.add(
            actid=act.id, name=name, text=name * 200, position=number + 1, locationid=place.id
        )
        await wb.scene_personas.add(sceneid=scene.id, personaid=persona.id, role=name)
    await wb.images.add(worldid=world.id, name="Mine", source_url="javascript:alert(1)")
    await wb.images.add(worldid=world.id, name="Theirs", source_url="https://example.org/a?b=<c>")
    await wb.images.add(worldid=world.id, name="Drawn", content=b"<svg onload=alert(1)/>")


async def test_everything_is_told_and_linked(wb: Workspace, tmp_path: Path) -> None:
    await wb.load(demo_folder())
    size = await wb.bible("Dracula", tmp_path / "dracula.html")
    page = Reader(read(tmp_path / "dracula.html"))
    assert size == (tmp_path / "dracula.html").stat().st_size
    titles = [text for _, text in page.headings]
    for collection in (wb.books, wb.stories, wb.acts, wb.scenes, wb.personas, wb.locations):
        for record in await collection.find(world="Dracula", limit=100):
            assert any(title.startswith(record.label) for title in titles), record.label
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert all(source.startswith("data:image/") for source in page.sources)
    assert len(page.sources) > 14
    assert all(page.alts)
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    text = "".join(page.texts)
    assert "Jonathan Harker" in text
    assert "married to" in text


async def test_no_name_can_harm_a_page(wb: Workspace, tmp_path: Path) -> None:
    await hostile(wb)
    await wb.bible("<b>World</b>", tmp_path / "world.html")
    page = Reader(read(tmp_path / "world.html"))
    assert page.sources == []
    assert all(link.startswith("#") for link in page.links)
    titles = [text for _, text in page.headings]
    assert "<b>World</b>" in titles
    for name in NAMES:
        assert f"{name} {name}" in titles, name


async def test_no_name_can_mean_something_in_markdown(wb: Workspace, tmp_path: Path) -> None:
    await hostile(wb)
    await wb.bible("<b>World</b>", tmp_path / "world.md")
    tokens = (
        MarkdownIt("commonmark")
        .enable(["table", "strikethrough"])
        .parse(read(tmp_path / "world.md"))
    )
    inline = [one for token in tokens for one in token.children or ()]
    assert {t.type.removesuffix("_open").removesuffix("_close") for t in [*tokens, *inline]} <= {
        *("heading", "paragraph", "inline", "bullet_list", "list_item", "hr"),
        *("text", "text_special", "link", "strong", "html_inline"),
    }
    anchors = [one.content for one in inline if one.type == "html_inline"]
    assert all(re.fullmatch(r'<a id="[a-z0-9-]+">|</a>', text) for text in anchors)
    links = [str(one.attrs["href"]) for one in inline if one.type == "link_open"]
    assert all(link.startswith("#") for link in links)
    ids = {text[7:-2] for text in anchors if text != "</a>"}
    assert {link[1:] for link in links} <= ids
    headings = [
        "".join(one.content for one in tokens[place + 1].children or ())
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    for name in NAMES:
        shown = name.replace("http:", "http\u2060:").replace("\u202e", "")
        assert f"{shown} ({shown})" in headings, (shown, headings)


async def test_what_is_not_to_be_read_is_not_told(
    wb: Workspace, owned: Workspace, tmp_path: Path
) -> None:
    other = await owned.users.add(email="other@example.org", role="editor")
    foreign = await owned.worlds.add(name="Foreign", ownerid=other.id)
    with pytest.raises(NotFound):
        await wb.bible(foreign, tmp_path / "foreign.html")
    world = await wb.worlds.add(name="Mine")
    persona = await wb.personas.add(worldid=world.id, name="Yorick")
    await wb.personas.remove(persona)
    await wb.bible(world, tmp_path / "mine.md")
    assert "Yorick" not in read(tmp_path / "mine.md")


async def test_a_file_is_written_whole_or_not_at_all(wb: Workspace, tmp_path: Path) -> None:
    world = await wb.worlds.add(name="Mine")
    with pytest.raises(Refused, match=r"\.html or \.md"):
        await wb.bible(world, tmp_path / "mine.pdf")
    async with wb.transaction():
        with pytest.raises(Refused, match="transaction"):
            await wb.bible(world, tmp_path / "mine.md")
    assert os.listdir(tmp_path) == []
    await wb.bible(world, tmp_path / "mine.md")
    with pytest.raises(Refused, match="overwrite=True"):
        await wb.bible(world, tmp_path / "mine.md")
    await wb.bible(world, tmp_path / "mine.md", overwrite=True)
    assert os.listdir(tmp_path) == ["mine.md"]


async def test_a_browser_asks_nobody_and_shows_all_of_it(
    wb: Workspace, chromium: Browser, tmp_path: Path
) -> None:
    await wb.load(demo_folder())
    await wb.bible("Dracula", tmp_path / "dracula.html")
    page = await chromium.new_page(viewport={"width": 360, "height": 800})
    asked: list[str] = []
    said: list[Any] = []
    page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
    page.on("console", lambda message: said.append(message.text))
    await page.goto((tmp_path / "dracula.html").as_uri())
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.click("nav >> text=Index")
    assert await page.locator("#index").is_visible()
    assert set(asked) <= {"file", "data"}
    assert said == []
    await page.close()
