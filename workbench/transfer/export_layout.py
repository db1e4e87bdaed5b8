"""What an exported file holds: its columns, the order of its rows, the statement behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from workbench.entities import Link, Stored
from workbench.entities.base import STAMPS
from workbench.store.columns import Column, Tables
from workbench.store.filters import live
from workbench.transfer.dates import CALLED_DATE, CERTAIN_DATE

__all__ = [
    "FILE",
    "Layout",
    "attribute_keys",
    "facts",
    "layout",
    "picture_statement",
    "trash_statement",
]

FILE = "file"
"""The column that names the file of a picture."""

_MOST_KEY_COLUMNS = 100
# What would be quoted, and what a spreadsheet might run, is no name for a column.
_NO_HEADER = re.compile(r'[",;\t]|^[^\w]*[=+@-]|^\'')


@dataclass(frozen=True)
class Layout:
    """One file.

    Attributes
    ----------
    statement
        Reads the rows, in order.
    columns
        Its columns, in order.
    left
        Counts, by column, references to what is in the trash: those cells are empty, and a
        link's row is left out.
    """

    stored: Stored[Any, Any]
    columns: list[Column]
    statement: sa.Select[Any]
    left: sa.Select[Any] | None


def attribute_keys(stored: Stored[Any, Any], world: UUID) -> sa.Select[Any] | None:
    """Return the statement for all keys of attributes: key, whether plain text always, rows.

    Plain is a text that a cell can hold and give back: one line, not blank, and a date where
    the key is called one, since an import would refuse what is not.
    """
    if "attributes" not in stored.table.columns:
        return None
    pair = sa.func.jsonb_each(stored.table.c.attributes).table_valued("key", "value").lateral()
    text = pair.c.value.op("#>>", return_type=sa.Text)(sa.text("'{}'"))
    plain = sa.and_(sa.func.jsonb_typeof(pair.c.value) == "string", sa.func.rules.is_name(text))
    called_date = sa.func.lower(pair.c.key).op("~")(CALLED_DATE)
    plain = sa.and_(plain, sa.or_(sa.not_(called_date), text.op("~")(CERTAIN_DATE)))
    return (
        sa.select(
            pair.c.key.label("key"),
            sa.func.bool_and(plain).label("plain"),
            sa.func.count().label("rows"),
        )
        .select_from(stored.table.join(pair, sa.true()))
        .where(*_rows(stored, world))
        .group_by(pair.c.key)
        .order_by(sa.func.count().desc(), sa.collate(pair.c.key, "C"))
    )


def layout(
    stored: Stored[Any, Any],
    world: UUID,
    keys: Iterable[tuple[str, bool]] | None = (),
    *,
    archived: bool = False,
) -> Layout:
    """Return the file of `stored`.

    Parameters
    ----------
    keys
        Keys of attributes and whether each is plain text always; those that are become
        columns, where no other column, twin or alias has the name. With None, `attributes`
        stays one column.
    archived
        Whether it is a part of an archive: owners are left out, and lists are JSON.
    """
    tables = Tables(stored, world)
    columns = list(_columns(tables))
    if archived:
        columns = [_flat(column) for column in columns if column.source != "ownerid"]
    if keys is not None:
        columns += _attributes(stored, list(keys), {column.name for column in columns})
    elif "attributes" in stored.table.columns:
        columns.append(tables.column("attributes"))
    trashed = {key: _trashed(tables, key) for key in _in_world(stored)}
    ends = {c.name for c in stored.table.columns if "parent" in c.info}
    left = None
    if trashed:
        left = tables.select(
            [
                Column(key, "integer", sa.func.count().filter(gone), key)
                for key, gone in trashed.items()
            ]
        ).where(*_rows(stored, world))
    if isinstance(stored, Link):  # its home is one of its ends
        where = [_of(stored, world)]
        where += [sa.not_(gone) for key, gone in trashed.items() if key in ends]
    else:
        where = list(_rows(stored, world))
    order = list(_order(tables))
    statement = tables.select(columns).where(*where).order_by(*order)
    return Layout(stored, columns, statement, left)


def trash_statement(every: Iterable[Stored[Any, Any]], world: UUID) -> sa.Select[Any]:
    """Return the statement for whether anything of the world is in the trash, as `trashed`.

    Nothing refers to what is there otherwise, and `Layout.left` need not look for it.
    """
    gone = [
        sa.exists().where(_of(stored, world), stored.table.c.deleted_at.is_not(None))
        for stored in every
        if not isinstance(stored, Link)
    ]
    return sa.select(sa.or_(*gone).label("trashed"))


def picture_statement(stored: Stored[Any, Any], world: UUID) -> sa.Select[Any]:
    """Return the statement for the pictures themselves, in the order of their file."""
    table = stored.table
    return (
        sa.select(
            sa.cast(table.c.id, sa.Text).label("id"),
            table.c.name,
            table.c.content,
        )
        .where(*_rows(stored, world), table.c.content.is_not(None))
        .order_by(*_order(Tables(stored)))
    )


def _flat(column: Column) -> Column:
    if column.type != "labels":
        return column
    value = sa.cast(sa.func.to_jsonb(column.value), sa.Text)
    return Column(column.name, "text", value, column.source)


def facts(stored: Stored[Any, Any], world: UUID) -> tuple[list[Column], sa.Select[Any]]:
    """Return what an import does not take: ids, owners, versions and times, beside names."""
    tables = Tables(stored, world)
    told = {"id", "name", *stored.references, *stored.key, *STAMPS}
    columns: list[Column] = []
    for column in stored.shown:
        if column.name in told:
            columns.append(tables.column(column.name))
        if column.name in stored.references:
            columns += tables.twins(column.name)
    columns = list({column.name: column for column in columns}.values())
    where = list(_rows(stored, world))
    return columns, tables.select(columns).where(*where).order_by(*_order(tables))


def _rows(stored: Stored[Any, Any], world: UUID) -> Iterator[sa.ColumnElement[bool]]:
    yield from live(stored)
    yield _of(stored, world)


def _of(stored: Stored[Any, Any], world: UUID) -> sa.ColumnElement[bool]:
    mine: sa.ColumnElement[bool] = (
        stored.table.c["worldid" if "worldid" in stored.table.columns else "id"] == world
    )
    return mine


def _in_world(stored: Stored[Any, Any]) -> list[str]:
    """Return the references to what lies in the world, and can be in its trash."""
    return [key for key, target in stored.references.items() if target not in ("user", "world")]


def _columns(tables: Tables) -> Iterator[Column]:
    """Give the world, the path of names down to the row, then the rest as in the table."""
    stored = tables.stored
    first = [c.name for c in stored.table.columns if "parent" in c.info and c.name != "worldid"]
    if "worldid" in stored.table.columns:
        yield from tables.twins("worldid")
    for key in first:
        yield from _twins(tables, key)
    for column in stored.shown:
        if column.name in ("worldid", "attributes", *first) or column.name not in stored.kinds:
            continue
        if column.name in stored.references:
            yield from _twins(tables, column.name)
        else:
            yield tables.column(column.name)
    if "content" in stored.table.columns:
        table = stored.table
        has = sa.case((table.c.content.is_not(None), sa.cast(table.c.id, sa.Text)))
        yield Column(FILE, "text", has, "content")


def _twins(tables: Tables, key: str) -> list[Column]:
    """Return the readable twins of `key`, the last one empty where the target is in the trash."""
    *path, twin = tables.twins(key)
    if key in _in_world(tables.stored):
        kept = sa.case((tables.target((key,)).c.deleted_at.is_(None), twin.value))
        twin = Column(twin.name, twin.type, kept, key, twin=True)
    return [*path, twin]


def _trashed(tables: Tables, key: str) -> sa.ColumnElement[bool]:
    gone: sa.ColumnElement[bool] = tables.target((key,)).c.deleted_at.is_not(None)
    return gone


def _attributes(
    stored: Stored[Any, Any], keys: list[tuple[str, bool]], taken: set[str]
) -> Iterator[Column]:
    if not keys:
        return
    table = stored.table
    twins = [t.name for key in stored.references for t in Tables(stored).twins(key)]
    used = {
        name.casefold()
        for name in (*taken, *table.columns.keys(), *twins, *stored.aliases, FILE, "world")
    }
    folded = [key.casefold() for key, _ in keys]
    plain = [
        key
        for key, is_plain in keys
        if is_plain and key.casefold() not in used and folded.count(key.casefold()) == 1
        if key == key.strip() and key.isprintable() and key and not _NO_HEADER.search(key)
    ][:_MOST_KEY_COLUMNS]
    for key in sorted(plain):
        yield Column(key, "text", table.c.attributes[key].astext, "attributes")
    if len(plain) < len(keys):
        rest = table.c.attributes.op("-")(sa.cast(plain, sa.ARRAY(sa.Text)))
        empty = sa.cast(sa.literal_column("'{}'"), table.c.attributes.type)
        yield Column(
            "attributes", "text", sa.cast(sa.func.nullif(rest, empty), sa.Text), "attributes"
        )


def _order(tables: Tables) -> Iterator[sa.ColumnElement[Any]]:
    """Give what orders the rows: siblings by position, then by name, under their parents.

    By code point, so that every database gives the same files.
    """
    stored = tables.stored
    for column in stored.table.columns:
        if "parent" in column.info and column.name in _in_world(stored):
            for keys in tables.path(column.name):
                yield from _siblings(tables.target(keys))
    yield from _siblings(stored.table)
    if isinstance(stored, Link):
        yield from (sa.collate(stored.table.c[k], "C") for k in stored.key if k == "kind")


def _siblings(table: Any) -> Iterator[sa.ColumnElement[Any]]:
    if "position" in table.c:
        yield table.c.position.asc().nulls_last()
    if "name" in table.c:
        yield sa.collate(table.c.name, "C")
