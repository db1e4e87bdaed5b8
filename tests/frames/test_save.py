"""Frames that save back: the changed cells, and no others, whatever became of the frame."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.entities.world import World
from workbench.errors import InvalidDraft, InvalidRows, NotAllowed, NotFound, UnknownField
from workbench.workspace import Workspace


def put(frame: pd.DataFrame, who: str, /, **values: Any) -> None:
    """Change cells of the row of this name."""
    for column, value in values.items():
        place = int(np.flatnonzero((frame["name"] == who).to_numpy(bool, na_value=False))[0])
        cells = list(frame[column].astype(object))
        cells[place] = value
        frame[column] = pd.Series(cells, index=frame.index, dtype=object)


async def one(wb: Workspace, name: str) -> Any:
    return await wb.personas.get(name=name, world="Denmark")


async def test_only_changed_cells_are_written(wb: Workspace, denmark: World) -> None:
    frame = await wb.personas.frame(world=denmark)
    frame.loc[frame["name"] == "Ophelia", "kind"] = "ghost"
    frame.loc[frame["name"] == "Yorick", "description"] = "A fellow of infinite jest."
    result = await wb.personas.save(frame, reason="casting notes")
    assert (result.changed, result.cells, result.unchanged) == (2, 2, 3)
    assert len(result.conflicts) == 0
    assert (await one(wb, "Ophelia")).kind == "ghost"
    assert (await one(wb, "Yorick")).description == "A fellow of infinite jest."
    assert (await one(wb, "Hamlet")).version == 1


async def test_a_save_is_one_changeset_with_its_reason(
    wb: Workspace, denmark: World, sql: Any
) -> None:
    frame = await wb.personas.frame(world=denmark)
    frame["kind"] = "dead"
    await wb.personas.save(frame, reason="the rest is silence")
    rows = await sql.fetch(
        "SELECT e.reason, e.new FROM history.change AS c JOIN history.changeset AS e0 "
        "ON e0.id = c.changesetid JOIN history.entry AS e ON e.id = c.id WHERE c.operation = 'update'"
    )
    assert [row["reason"] for row in rows] == ["the rest is silence"] * 5
    assert {row["new"] for row in rows} == {'{"kind": "dead"}'}


async def test_a_frame_as_it_was_read_changes_nothing(wb: Workspace, denmark: World) -> None:
    for plural in ("personas", "scenes", "acts", "stories", "locations", "worlds"):
        collection = wb.collection(plural)
        for names in (False, True):
            result = await collection.save(await collection.frame(names=names))
            assert (result.changed, len(result.conflicts)) == (0, 0), plural
            assert result.unchanged == await collection.count()


def to_parquet(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    frame.to_parquet(folder / "frame.parquet")
    # Without the backend pandas 3.1 cannot read lists back (pandas issue 57411).
    return pd.read_parquet(folder / "frame.parquet", dtype_backend="pyarrow")


def to_plain_parquet(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    frame.astype({"tags": object, "aliases": object}).to_parquet(folder / "frame.parquet")
    return pd.read_parquet(folder / "frame.parquet")


def to_feather(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    frame.reset_index(drop=True).to_feather(folder / "frame.feather")
    return pd.read_feather(folder / "frame.feather", dtype_backend="pyarrow")


SHAPES: dict[str, Callable[[pd.DataFrame, Path], pd.DataFrame]] = {
    "sorted": lambda f, _: f.sort_values("name", ascending=False),
    "filtered": lambda f, _: f[f["name"].str.contains("a")],
    "reset": lambda f, _: f.sort_values("name").reset_index(drop=True),
    "id in the index": lambda f, _: f.set_index("id"),
    "id and name in the index": lambda f, _: f.set_index(["id", "name"]),
    "copied": lambda f, _: f.copy(),
    "in parts": lambda f, _: pd.concat([f[3:], f[:3]]),
    "with doubles": lambda f, _: pd.concat([f, f[:2]]),
    "shuffled columns": lambda f, _: f[sorted(f.columns)],
    "some columns": lambda f, _: f[["id", "version", "name", "kind", "tags"]],
    "objects": lambda f, _: f.astype(object),
    "numpy": lambda f, _: pd.DataFrame(
        {c: f[c].to_numpy(object) for c in f.columns}, columns=list(f.columns)
    ),
    "categories": lambda f, _: f.astype({"kind": "category", "name": "category"}),
    "version as float": lambda f, _: f.astype({"version": float}),
    "version as text": lambda f, _: f.astype({"version": str}),
    "merged": lambda f, _: f.merge(f[["id"]].assign(seen=1), on="id", how="left").drop(
        columns="seen"
    ),
    "pickled": lambda f, _: pickle.loads(pickle.dumps(f)),
    "parquet": to_parquet,
    "parquet of objects": to_plain_parquet,
    "feather": to_feather,
}


@pytest.mark.parametrize("shape", list(SHAPES))
async def test_a_save_does_not_mind_what_became_of_the_frame(
    wb: Workspace, denmark: World, shape: str, tmp_path: Path
) -> None:
    frame = await wb.personas.frame(world=denmark)
    frame = SHAPES[shape](frame, tmp_path)
    flat = frame.reset_index() if frame.index.names != [None] else frame
    named = (flat["name"] == "Hamlet").to_numpy(bool)
    if isinstance(frame["kind"].dtype, pd.CategoricalDtype):
        frame["kind"] = frame["kind"].cat.add_categories("ghost")
    frame.loc[named, "kind"] = "ghost"
    result = await wb.personas.save(frame)
    assert (result.changed, result.cells) == (1, 1)
    assert (await one(wb, "Hamlet")).kind == "ghost"
    assert (await one(wb, "Hamlet")).tags == ["black", "sad"]
    assert await wb.personas.count() == 5


async def test_going_on_with_a_saved_frame_is_no_conflict(wb: Workspace, denmark: World) -> None:
    frame = await wb.personas.frame(world=denmark, names=True)
    for kind in ("ghost", "shade", "ghost", None, "prince"):
        put(frame, "Hamlet", kind=kind)
        result = await wb.personas.save(frame)
        assert (result.changed, len(result.conflicts)) == (1, 0), kind
        assert (await one(wb, "Hamlet")).kind == kind
    assert (await wb.personas.save(frame)).changed == 0


async def test_a_saved_frame_is_as_stored_where_it_was_written(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.personas.frame(world=denmark)
    hamlet = await one(eve, "Hamlet")
    await eve.personas.update(hamlet, description="Hers.", tags=["a"])
    frame.loc[frame["name"] == "Hamlet", "kind"] = "ghost"
    before = frame.dtypes.to_dict()
    await wb.personas.save(frame)
    again = await wb.personas.frame(world=denmark)
    pd.testing.assert_frame_equal(frame, again)
    assert frame.dtypes.to_dict() == before
    assert (await wb.personas.save(frame)).changed == 0
    assert (await one(wb, "Hamlet")).description == "Hers."


async def test_other_ways_to_write_a_value_are_no_change(wb: Workspace, denmark: World) -> None:
    frame = await wb.personas.frame(world=denmark)
    put(frame, "Claudius", attributes='{ "sins": ["a", "b"], "age": 50 }', name="  Claudius ")
    put(frame, "Hamlet", description="", tags='["black", "sad"]', aliases=None)
    put(frame, "Gertrude", description=float("nan"), imageid=pd.NaT, tags=[])
    put(frame, "Ophelia", description="   Daughter of Polonius.".strip(), aliases=np.array([]))
    assert (await wb.personas.save(frame)).changed == 0
    scenes = await wb.scenes.frame(world=denmark)
    scenes["position"] = scenes["position"].astype(float).astype(object)
    scenes["story_time"] = scenes["story_time"].astype(str)
    scenes["created_at"] = scenes["created_at"].dt.tz_localize(None).astype("datetime64[ns]")
    result = await wb.scenes.save(scenes)
    assert (result.changed, result.unchanged) == (0, 2)


@pytest.mark.parametrize("nothing", [None, pd.NA, float("nan"), "", pd.NaT])
async def test_nothing_clears_a_field(wb: Workspace, denmark: World, nothing: Any) -> None:
    frame = await wb.personas.frame(world=denmark)
    put(frame, "Hamlet", kind=nothing, tags=None)
    put(frame, "Claudius", attributes=nothing)
    assert (await wb.personas.save(frame)).cells == 3
    hamlet = await one(wb, "Hamlet")
    assert (hamlet.kind, hamlet.tags) == (None, [])
    assert (await one(wb, "Claudius")).attributes == {}


async def test_values_of_every_kind_are_saved(wb: Workspace, denmark: World) -> None:
    frame = await wb.personas.frame(world=denmark)
    put(frame, "Hamlet", tags=["a;b", 'c "d"', "é"], aliases="x; y", attributes={"age": 30})
    put(frame, "Ophelia", description='line\n"two"\t\\', name="OPHÉLIA")
    assert (await wb.personas.save(frame)).changed == 2
    hamlet = await one(wb, "Hamlet")
    assert hamlet.tags == ["a;b", 'c "d"', "é"]
    assert (hamlet.aliases, hamlet.attributes) == (["x", "y"], {"age": 30})
    assert (await one(wb, "OPHÉLIA")).description == 'line\n"two"\t\\'
    scenes = await wb.scenes.frame(world=denmark)
    scenes["position"] = [7.0, 8.0]
    scenes["story_time"] = [1, 0.1]
    assert (await wb.scenes.save(scenes)).cells == 4
    assert [s.story_time for s in await wb.scenes.find(order="position")] == [1.0, 0.1]
    worlds = await wb.worlds.frame()
    worlds["is_public"] = True
    assert (await wb.worlds.save(worlds)).changed == 1


async def test_what_breaks_a_rule_is_told_by_row_and_column_and_nothing_is_written(
    wb: Workspace, denmark: World
) -> None:
    frame = (await wb.locations.frame(world=denmark)).astype(object)
    frame.index = pd.Index(["here", "there"])
    frame.loc["here", "x"] = 3
    frame.loc["there", "name"] = None
    frame.loc["there", "kind"] = "grave"
    with pytest.raises(InvalidRows) as error:
        await wb.locations.save(frame)
    told = {(p.row, p.column): p.message for p in error.value.problems}
    assert told == {
        ("here", "x"): "This must be at most 1.",
        ("there", "name"): "This must not be empty.",
    }
    assert (await wb.locations.get(name="Graveyard", world="Denmark")).kind is None


@pytest.mark.parametrize("column", ["created_at", "updated_at", "deleted_at", "ownerid", "worldid"])
async def test_what_only_the_database_writes_is_refused_by_name(
    wb: Workspace, denmark: World, eve: Workspace, column: str
) -> None:
    frame = await wb.personas.frame(world=denmark)
    value: Any = pd.Timestamp("2020-01-01", tz="UTC")
    if column.endswith("id"):
        value = str(eve.database.userid)
    put(frame, "Hamlet", **{column: value, "kind": "ghost"})
    with pytest.raises(InvalidRows) as error:
        await wb.personas.save(frame)
    assert [p.column for p in error.value.problems] == [column]
    assert (await one(wb, "Hamlet")).kind == "prince"


async def test_a_version_that_was_never_there_is_no_way_round_others(
    wb: Workspace, denmark: World
) -> None:
    frame = await wb.personas.frame(world=denmark)
    put(frame, "Hamlet", version=7, kind="ghost")
    result = await wb.personas.save(frame)
    assert list(result.conflicts["column"]) == ["kind"]
    assert (await one(wb, "Hamlet")).kind == "prince"


async def test_unknown_columns_are_refused_unless_the_ones_to_save_are_named(
    wb: Workspace, denmark: World
) -> None:
    frame = await wb.personas.frame(world=denmark)
    frame["Kind"] = frame["kind"]
    frame["length"] = frame["name"].str.len()
    frame["kind"] = "ghost"
    with pytest.raises(InvalidRows, match="Did you mean 'kind'") as error:
        await wb.personas.save(frame)
    assert [p.column for p in error.value.problems] == ["Kind", "length"]
    assert (await wb.personas.save(frame, columns=["kind"])).cells == 5
    with pytest.raises(UnknownField):
        await wb.personas.save(frame, columns=["knid"])


async def test_columns_that_are_not_named_are_left_alone_and_stay_changes(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    frame = await wb.personas.frame(world=denmark)
    await eve.personas.update(await one(eve, "Ophelia"), description="Hers.")
    for name in ("Hamlet", "Ophelia"):
        put(frame, name, kind="ghost", aliases=["Boo"])
    assert (await wb.personas.save(frame, columns=["kind"])).cells == 2
    assert (await one(wb, "Hamlet")).aliases == []
    result = await wb.personas.save(frame)
    assert (result.cells, len(result.conflicts)) == (2, 0)
    ophelia = await one(wb, "Ophelia")
    assert (ophelia.aliases, ophelia.description) == (["Boo"], "Hers.")


async def test_pictures_bytes_are_not_saved_from_a_frame(wb: Workspace, denmark: World) -> None:
    await wb.images.add(worldid=denmark.id, name="Ghost", content=b"bytes")
    frame = await wb.images.frame(columns=["id", "version", "name", "content"])
    with pytest.raises(InvalidRows, match="Pictures are not saved"):
        await wb.images.save(frame)
    frame["name"] = "Spirit"
    assert (await wb.images.save(frame, columns=["name"])).changed == 1


async def test_two_rows_of_one_record_that_differ_are_refused(
    wb: Workspace, denmark: World
) -> None:
    frame = await wb.personas.frame(world=denmark)
    other = frame[:2].copy()
    other["kind"] = "ghost"
    with pytest.raises(InvalidRows, match="twice") as error:
        await wb.personas.save(pd.concat([frame, other]))
    assert [(p.row, p.column) for p in error.value.problems] == [(0, "kind"), (1, "kind")]


async def test_a_frame_without_what_tells_its_rows_is_refused(
    wb: Workspace, denmark: World
) -> None:
    frame = await wb.personas.frame(world=denmark)
    with pytest.raises(InvalidDraft, match=r"no column 'id'.*wb\.load"):
        await wb.personas.save(frame.drop(columns="id"))
    with pytest.raises(InvalidDraft, match=r"no column 'version'.*based_on"):
        await wb.personas.save(frame.drop(columns="version"))
    with pytest.raises(InvalidDraft, match="Give a DataFrame"):
        await wb.personas.save([1, 2])  # type: ignore[arg-type]
    frame["id"] = "Hamlet"
    with pytest.raises(InvalidRows, match="not an id"):
        await wb.personas.save(frame)


async def test_versions_may_come_from_the_frame_as_it_was_read(
    wb: Workspace, denmark: World, eve: Workspace
) -> None:
    read = await wb.personas.frame(world=denmark)
    await eve.personas.update(await one(eve, "Hamlet"), kind="spy")
    mine = read.drop(columns="version")
    mine["kind"] = "ghost"
    result = await wb.personas.save(mine, based_on=read)
    assert result.changed == 4
    assert list(result.conflicts["name"]) == ["Hamlet"]
    mine["kind"] = "shade"
    assert (await wb.personas.save(mine, based_on=read)).changed == 4


async def test_a_frame_of_another_entity_is_refused(wb: Workspace, denmark: World) -> None:
    columns = ["id", "version", "name", "description"]
    frame = await wb.locations.frame(columns=columns)
    with pytest.raises(InvalidDraft, match="These rows are locations, not personas"):
        await wb.personas.save(frame)


async def test_a_frame_of_another_installation_is_refused(wb: Workspace, denmark: World) -> None:
    frame = await wb.personas.frame(world=denmark)
    frame["id"] = [f"0198f3a2-1c5b-7c2e-9c55-3f1d2a7b8c9{n}" for n in range(5)]
    with pytest.raises(NotFound, match="another database"):
        await wb.personas.save(frame)


async def test_who_may_not_write_at_all_is_told_so(
    wb: Workspace, denmark: World, sign_in: Any
) -> None:
    ivo = await sign_in("ivo", "viewer")
    await wb.share(denmark, "ivo@example.org", role="editor")
    frame = await ivo.personas.frame()
    frame["kind"] = "ghost"
    with pytest.raises(NotAllowed):
        await ivo.personas.save(frame)


async def test_within_a_transaction_a_frame_has_what_that_wrote(
    wb: Workspace, denmark: World
) -> None:
    async def work() -> None:
        async with wb.transaction(reason="all or nothing"):
            await wb.personas.update(await one(wb, "Hamlet"), kind="spy")
            frame = await wb.personas.frame(world=denmark)
            put(frame, "Hamlet", kind="ghost")
            assert (await wb.personas.save(frame)).changed == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await work()
    assert (await one(wb, "Hamlet")).kind == "prince"


async def test_an_empty_frame_saves_nothing(wb: Workspace, denmark: World) -> None:
    frame = await wb.personas.frame(world=denmark)
    result = await wb.personas.save(frame[:0])
    assert (result.changed, result.unchanged) == (0, 0)
    assert str(result) == "personas: 0 changed, 0 unchanged."


@pytest.mark.parametrize("text", ["\ud800", "\x00", b"bytes", object()])
async def test_what_no_database_can_hold_is_a_problem_of_its_cell(
    wb: Workspace, denmark: World, text: Any
) -> None:
    frame = await wb.personas.frame(world=denmark)
    put(frame, "Hamlet", attributes=text, kind="ghost")
    with pytest.raises(InvalidRows) as error:
        await wb.personas.save(frame)
    assert [(p.row, p.column) for p in error.value.problems] == [(0, "attributes")]
    frame = await wb.personas.frame(world=denmark)
    put(frame, "Hamlet", name="\x00")
    with pytest.raises(InvalidRows, match="NUL"):
        await wb.personas.save(frame)
