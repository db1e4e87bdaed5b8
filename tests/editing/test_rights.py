"""What rows of a repository say that the acting user may not do with them."""

from __future__ import annotations

import pytest

from workbench.editing import RepositorySource, editor


@pytest.fixture
async def eve(sign_in):
    """Another user's workspace."""
    return await sign_in("eve")


@pytest.fixture
async def denmark(wb):
    world = await wb.worlds.add(name="Denmark")
    await wb.personas.add(name="HAMLET", worldid=world.id)
    return world


async def rows(source):
    page = await source.page(0, 10, sort=(), filters=(), search=None)
    return {row["name"]: (row.get("__fixed"), row.get("__kept")) for row in page.rows}


async def test_each_world_says_what_one_may_do_with_it(wb, eve, denmark):
    await eve.worlds.add(name="Hers")
    worlds = RepositorySource(eve.worlds)
    for role, said in (
        ("viewer", (True, True)),
        ("editor", (["is_public"], True)),
        ("manager", (None, None)),
    ):
        await wb.share(denmark, "eve@example.org", role=role)
        assert await rows(worlds) == {"Denmark": said, "Hers": (None, None)}


async def test_rows_in_a_world_are_fixed_for_viewers_whatever_shows_them(wb, eve, denmark):
    await wb.share(denmark, "eve@example.org")
    assert await rows(RepositorySource(eve.personas)) == {"HAMLET": (True, True)}
    await wb.share(denmark, "eve@example.org", role="editor")
    assert await rows(RepositorySource(eve.personas, "Denmark")) == {"HAMLET": (None, None)}


async def test_a_saved_and_an_added_row_say_it_too(wb, eve, denmark):
    await wb.share(denmark, "eve@example.org", role="editor")
    source = RepositorySource(eve.worlds)
    saved = await source.save(str(denmark.id), denmark.version, {"description": "A prison."})
    assert (saved["__fixed"], saved["__kept"]) == (["is_public"], True)
    assert "__fixed" not in await source.add({"name": "Hers"})


async def test_an_editor_for_a_viewer_offers_nothing_that_changes_rows(wb, denmark):
    made = editor(RepositorySource(wb.personas, denmark, role="viewer"))
    assert (made.grid.can_add, made.grid.can_remove) == (False, False)
    assert not any(column["editable"] for column in made.grid.columns)
    assert all(column["filterable"] == (column["kind"] not in ("json", "time"))
               for column in made.grid.columns)  # fmt: skip
    made.form.load(await made.grid.source.row((await wb.personas.get(name="HAMLET")).id))
    assert made.form.body.layout.display == "none"
    made = editor(RepositorySource(wb.personas, denmark, role="editor"))
    assert (made.grid.can_add, made.grid.can_remove) == (True, True)
