"""A world as a book to read: one file of HTML or Markdown, written as it is read from the database.

The outline with every scene, then personae with their appearances and relations, places in one
another, things, pictures, and an index of names.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from workbench.database import columnar
from workbench.database.columnar import Stream
from workbench.database.engine import Database
from workbench.errors import Refused
from workbench.transfer import bible_sql
from workbench.transfer.bible_html import HtmlPage
from workbench.transfer.bible_markdown import MarkdownPage
from workbench.transfer.bible_page import Entry, Fact, Page, Picture, Reference, anchor
from workbench.transfer.export import require_world
from workbench.transfer.export_file import whole_file

__all__ = ["bible"]

_PAGES: dict[str, type[Page]] = {
    ".html": HtmlPage,
    ".htm": HtmlPage,
    ".md": MarkdownPage,
    ".markdown": MarkdownPage,
}
_LEVELS = ("book", "story", "act", "scene")
_WORDS = {"book": "book", "story": "story", "act": "act", "scene": None}
_LISTED_STORIES = 500
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ROWS_AT_ONCE = 500
_END = "Written by Workbench."

Row = dict[str, Any]


async def bible(database: Database, world: UUID, path: Path, *, overwrite: bool = False) -> int:
    """Write `world` as it is at one moment to the file at `path`; return its size in bytes.

    Raises
    ------
    NotFound
        There is no such world, or it is in the trash.
    Refused
        The name ends in none of .html and .md, the file is there already, or this is inside a
        transaction.
    WorkbenchError
        It cannot be written to.
    """
    page = _PAGES.get(path.suffix.casefold())
    if page is None:
        raise Refused(
            f"{path.name or str(path)!r}: the name tells no format. End it with .html or .md.",
            field="path",
        )
    await require_world(database, world)

    def work(stream: Stream) -> int:
        with whole_file(path, overwrite=overwrite) as unfinished:
            with unfinished.open("w", encoding="utf-8", newline="") as out:
                for text in _Bible(stream, world, page()).texts():
                    out.write(text)
            return unfinished.stat().st_size

    return await columnar.snapshot(database, work)


class _Bible:
    def __init__(self, stream: Stream, world: UUID, page: Page) -> None:
        self._stream = stream
        self._world = world
        self._page = page

    def texts(self) -> Iterator[str]:
        """Give what is to be written, in order."""
        page, world = self._page, self._world
        [row] = self._rows(bible_sql.world(world))
        top = _whole(_entry(row, "world", 1), row)
        yield page.begin(row["label"], top, self._parts(), _language(row))
        yield from self._part("The stories", "stories", "Every scene, in order.", self._outline())
        yield from self._part(
            "Personae", "personae", "Who they are, and where they appear.", self._personas()
        )
        yield from self._part("Places", "places", "Each after what it lies in.", self._locations())
        yield from self._part(
            "Things", "things", "Who has them, and where they are.", self._things()
        )
        yield from self._part("Pictures", "pictures", "What they show.", self._pictures())
        yield page.part("Index", "index", "Of all names but those of acts and scenes.")
        yield from self._index()
        yield page.end(_END)

    def _parts(self) -> list[Fact]:
        stories: list[Reference] = []
        left = 0
        for row in self._rows(bible_sql.stories(self._world)):
            if len(stories) < _LISTED_STORIES:
                note = "book" if row["level"] == "book" else None
                stories.append(Reference(row["label"], anchor(row["level"], row["id"]), note))
            else:
                left += 1
        if left:
            stories.append(Reference(f"and {left:,} more"))
        others = ("Personae", "Places", "Things", "Pictures", "Index")
        return [
            ("The stories", [Reference("", "stories"), *stories]),
            *((name, [Reference("", name.lower())]) for name in others),
        ]

    def _part(self, title: str, place: str, note: str, entries: Iterator[Entry]) -> Iterator[str]:
        first = next(entries, None)
        yield self._page.part(title, place, note if first else "There are none.")
        if first is not None:
            yield self._page.entry(first)
        for entry in entries:
            yield self._page.entry(entry)

    def _outline(self) -> Iterator[Entry]:
        for row in self._rows(bible_sql.outline(self._world)):
            in_book = row["b_id"] is not None
            level = 3 + _LEVELS.index(row["level"]) - (0 if in_book else 1)
            entry = _entry(row, row["level"], level, _WORDS[row["level"]])
            if row["level"] == "scene":
                _add_excerpt(entry, row["excerpt"])
                _add(entry, "place", _one("location", row["place"]))
                _add(entry, "personae", _several("persona", row["cast"]))
                _add(entry, "things", _several("thing", row["things"]))
                if row["story_time"] is not None:
                    _add(entry, "day of the world", [Reference(f"{row['story_time']:g}")])
            yield _whole(entry, row)

    def _personas(self) -> Iterator[Entry]:
        for row in self._rows(bible_sql.personas(self._world)):
            entry = _entry(row, "persona", 3, row["kind"])
            _add(entry, "also called", [Reference(name) for name in _loaded(row["aliases"])])
            _add_relations(entry, _loaded(row["relations"]))
            _add_scenes(entry, row)
            yield _whole(entry, row)

    def _locations(self) -> Iterator[Entry]:
        for row in self._rows(bible_sql.locations(self._world)):
            entry = _entry(row, "location", min(3 + row["depth"], 6), row["kind"])
            _add_scenes(entry, row)
            yield _whole(entry, row)

    def _things(self) -> Iterator[Entry]:
        for row in self._rows(bible_sql.things(self._world)):
            entry = _entry(row, "thing", 3, row["kind"])
            _add(entry, "belongs to", _one("persona", row["holder"]))
            _add(entry, "lies in", _one("location", row["place"]))
            _add_scenes(entry, row)
            yield _whole(entry, row)

    def _pictures(self) -> Iterator[Entry]:
        for row in self._rows(bible_sql.pictures(self._world)):
            entry = _entry(row, "image", 3, row["kind"])
            if row["width"] and row["height"]:
                _add(entry, "size", [Reference(f"{row['width']:,} × {row['height']:,} pixels")])
            if url := row["source_url"]:
                _add(entry, "from", [Reference(url)])  # a text: no address of a user's is a link
            yield _whole(entry, row)

    def _index(self) -> Iterator[str]:
        rows = self._rows(bible_sql.index(self._world))
        for letter, found in groupby(rows, lambda row: _letter(row["label"])):
            yield self._page.letter(
                letter,
                (
                    Reference(row["label"], anchor(row["entity"], row["id"]), row["entity"])
                    for row in found
                ),
            )

    def _rows(self, statement: str) -> Iterator[Row]:
        with self._stream(statement) as batches:
            for batch in batches:
                for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    yield from batch.slice(start, _ROWS_AT_ONCE).to_pylist()


def _entry(row: Row, entity: str, level: int, kind: str | None = None) -> Entry:
    """Return what every record has, but for its own fields: names, description, picture."""
    entry = Entry(level, anchor(entity, row["id"]), row["label"], kind)
    if row["description"]:
        entry.texts.append(row["description"])
    if row["picture"]:
        entry.picture = Picture(row["picture"], row["picture_text"])
    if row["name"] != row["label"]:
        _add(entry, "name", [Reference(row["name"])])
    return entry


def _whole(entry: Entry, row: Row) -> Entry:
    """Return `entry` with what is free in every record: attributes and tags."""
    for name, value in json.loads(row["attributes"]).items():
        if value not in (None, "", [], {}):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            _add(entry, name, [Reference(text)])
    _add(entry, "tags", [Reference(tag) for tag in _loaded(row["tags"])])
    return entry


def _add(entry: Entry, name: str, values: list[Reference]) -> None:
    if values:
        entry.facts.append((name, values))


def _add_excerpt(entry: Entry, text: str | None) -> None:
    if not text:
        return
    most = bible_sql.EXCERPT_CHARACTERS
    entry.texts.append(text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …")


def _add_scenes(entry: Entry, row: Row) -> None:
    """Tell in which scenes something is: each of a few, or how many in each story."""
    count = row["scene_count"]
    if not count:
        return
    if count <= bible_sql.SHOWN_SCENES:
        scenes = [
            Reference(label, anchor("scene", id), story)
            for id, label, story in _loaded(row["scenes"])
        ]
        _add(entry, "scenes", scenes)
        return
    stories = [
        Reference(label, anchor("story", id), f"{scenes:,} scenes" if scenes > 1 else "1 scene")
        for id, label, scenes in _loaded(row["by_story"])
    ]
    first = [Reference(label, anchor("scene", id)) for id, label, _ in _loaded(row["scenes"])[:3]]
    _add(entry, f"{count:,} scenes", stories)
    _add(entry, "first in", first)


def _add_relations(entry: Entry, relations: list[list[Any]]) -> None:
    """Tell what somebody is to others, kind by kind, and what others are to them."""
    from_others = []
    for kind, group in groupby(relations, lambda found: None if found[4] else found[0]):
        if kind is None:
            from_others = [
                Reference(label, anchor("persona", id), f"{said}: {text}" if text else said)
                for said, id, label, text, _ in group
            ]
            continue
        known = [Reference(label, anchor("persona", id), text) for _, id, label, text, _ in group]
        _add(entry, kind, known)
    _add(entry, "from others", from_others)


def _several(entity: str, text: str | None) -> list[Reference]:
    return [Reference(label, anchor(entity, id), note) for id, label, note in _loaded(text)]


def _one(entity: str, text: str | None) -> list[Reference]:
    found = _loaded(text)
    return [Reference(found[1], anchor(entity, found[0]))] if found and found[0] else []


def _loaded(text: str | None) -> Any:
    return json.loads(text) if text else []


def _language(row: Row) -> str | None:
    """Return the language of the world's texts, if it says it as browsers know it."""
    with suppress(AttributeError, TypeError):
        found = json.loads(row["attributes"]).get("language")
        return found if _LANGUAGE.fullmatch(found) else None
    return None


def _letter(label: str) -> str:
    """Return under which letter of the index a name stands."""
    first = next((c for c in unicodedata.normalize("NFD", label) if c.isalnum()), "")
    return first.upper() if first.isalpha() else "0–9 and others"
