"""The page that gives a world out, without a browser."""

from __future__ import annotations

import zipfile

import pytest

from workbench.dashboard import Dashboard, Place
from workbench.dashboard.export_page import ExportView
from workbench.errors import UnknownField
from workbench.widgets.download import Download


@pytest.fixture
async def denmark(wb):
    world = await wb.worlds.add(name="Denmark/../x", display_name="Denmark")
    await wb.personas.add(name="HAMLET", kind="prince", worldid=world.id)
    return world


async def opened(workspace, world) -> ExportView:
    dashboard = Dashboard(workspace, Place(world.id, "export"))
    await dashboard.show()
    view = next(w for w in dashboard.page.children if isinstance(w, ExportView))
    view.dashboard = dashboard
    return view


async def pressed(view: ExportView, *actions: str) -> None:
    for action in actions:
        await view.act(action)
        await view.dashboard.tasks.settled()
    assert view.model.problem == ""


def saved(view: ExportView) -> Download:
    [download] = [one for one in view.save.children if isinstance(one, Download)]
    return download


async def whole(download: Download) -> bytes:
    data = b""
    while len(data) < download.size:
        data += await download._piece({"offset": len(data)})
    return data


async def test_a_viewer_writes_an_archive_with_the_history_that_restores(
    wb, sign_in, denmark, tmp_path
):
    vic = await sign_in("vic")
    await wb.share(denmark, "vic@example.org")
    view = await opened(vic, denmark)
    await pressed(view, "history", "write")
    assert saved(view).name == "Denmark_x.zip"
    place = tmp_path / "a.zip"
    place.write_bytes(await whole(saved(view)))
    assert any("history" in name for name in zipfile.ZipFile(place).namelist())
    report = await vic.restore(place, dry_run=True)
    assert report.tables["personas"].inserted == 1
    view.close()


@pytest.mark.parametrize(
    ("actions", "name", "begins"),
    [
        (["tables", "table:personas"], "personas.csv", b"world,name"),
        (["format:xlsx"], "Denmark_x.xlsx", b"PK"),
        (["format:parquet", "tables", "table:personas"], "personas.parquet", b"PAR1"),
        ([], "Denmark_x.zip", b"PK"),
    ],
)
async def test_tables_are_one_file_or_a_zip_of_several(wb, denmark, actions, name, begins):
    view = await opened(wb, denmark)
    await pressed(view, "what:tables", *actions, "write")
    download = saved(view)
    assert (await whole(download))[: len(begins)] == begins, download.name
    assert download.name == name
    view.close()


@pytest.mark.parametrize(("format", "begins"), [("html", "<!"), ("md", "<a")])
async def test_a_world_is_written_as_a_book(wb, denmark, format, begins):
    view = await opened(wb, denmark)
    await pressed(view, "what:book", f"format:{format}", "write")
    text = (await whole(saved(view))).decode()
    assert text.startswith(begins)
    assert "HAMLET" in text
    view.close()


async def test_leaving_removes_the_file_and_another_choice_does_too(wb, denmark):
    view = await opened(wb, denmark)
    await pressed(view, "what:book", "write")
    place = saved(view)._path
    assert place.exists()
    await pressed(view, "format:md")
    assert not place.exists()
    assert view.save.children == ()
    await pressed(view, "write")
    place = saved(view)._path
    view.dashboard.state.go(Place(denmark.id))
    await view.dashboard.tasks.settled()
    assert not place.parent.exists()


async def test_cancelling_and_leaving_leave_no_file(wb, denmark):
    view = await opened(wb, denmark)
    folders = []

    def at_once(change):
        if change["new"] is not None:
            folders.append(view.model._folder)
            view.model.cancel()

    view.model.observe(at_once, "step")
    await pressed(view, "what:tables", "write")
    assert view.model.said == "Cancelled."
    assert view.model.made is None
    assert folders[0] is not None
    assert not folders[0].exists()
    view.close()


async def test_a_table_that_there_is_not_is_told_of(wb, denmark, tmp_path):
    with pytest.raises(UnknownField, match="Did you mean 'scenes'"):
        await wb.export(tmp_path, world=denmark, tables=["scene"])


async def test_without_a_table_there_is_nothing_to_write(wb, denmark):
    view = await opened(wb, denmark)
    await pressed(view, "what:tables", "tables")
    assert "Choose a table" in str(view.body.nodes)
    assert "Write the file" not in str(view.body.nodes)
    view.close()


async def test_a_name_in_large_characters_is_one_that_file_systems_take(wb):
    world = await wb.worlds.add(name="𒀀" * 100)
    view = await opened(wb, world)
    await pressed(view, "write")
    name = saved(view).name
    assert name.startswith("𒀀")
    assert len(name.encode()) <= 255
