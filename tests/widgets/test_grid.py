import pytest
from fake_source import FakeSource

from workbench.widgets import Grid
from workbench.widgets.source import StoredRow


@pytest.fixture
def grid(source: FakeSource) -> Grid:
    return Grid(source, noun="scene", plural="scenes")


@pytest.fixture
def browser(grid, browse):
    return browse(grid)


async def test_a_block_holds_the_rows_asked_for_and_waits_for_no_counting(browser):
    answer = await browser.ask("page", start=100, count=100)
    assert [row["id"] for row in answer["data"]["rows"]] == [f"r{n}" for n in range(100, 200)]
    assert answer["data"]["total"] is None
    assert (await browser.ask("total"))["data"] == 300
    assert (await browser.ask("total", search="scene 29"))["data"] == 11


async def test_a_block_is_sorted_and_filtered_by_the_source(browser):
    asked = {
        "filters": [{"field": "position", "test": "between", "value": [5, None]}],
        "search": "scene",
    }
    sort = [{"field": "name", "descending": True}]
    answer = await browser.ask("page", start=0, count=5, sort=sort, **asked)
    assert answer["data"]["rows"][0]["name"] == "Scene 99"
    assert (await browser.ask("total", **asked))["data"] == 296


async def test_no_request_reads_the_whole_table(browser, source):
    source.rows = FakeSource(1_500).rows
    answer = await browser.ask("page", start=0, count=10**9)
    assert len(answer["data"]["rows"]) == 1_000


@pytest.mark.parametrize(
    ("descending", "position"), [(False, 0), (False, 2_499), (True, 2_499), (True, 1_200)]
)
async def test_a_row_is_found_wherever_it_sorts(browser, source, descending, position):
    source.rows = {f"{n:05}": {"id": f"{n:05}", "name": f"{n:05}"} for n in range(2_500)}
    answer = await browser.ask(
        "place",
        id=f"{2_499 - position if descending else position:05}",
        sort=[{"field": "name", "descending": descending}],
    )
    assert answer["data"] == {"fits": True, "index": position}


async def test_a_row_that_the_filters_hide_has_no_place(browser):
    hidden = {"filters": [{"field": "position", "test": "between", "value": [5, None]}]}
    for narrowed in (hidden, {"search": "scene 7"}):
        answer = await browser.ask("place", id="r1", **narrowed)
        assert answer["data"] == {"fits": False, "index": None}


async def test_a_row_far_from_both_ends_is_looked_for_no_longer_than_it_takes(browser, source):
    blocks, page = [], source.page

    async def counted(start, count, **asked):
        blocks.append(start)
        return await page(start, count, **asked)

    source.rows = {str(n): {"id": str(n), "name": "x"} for n in range(50_000)}
    source.page = counted
    answer = await browser.ask("place", id="25000")
    assert answer["data"] == {"fits": True, "index": None}
    assert len(blocks) == 21  # whether it fits, and twenty blocks


async def test_an_edit_is_stored_and_the_row_comes_back(browser, grid, source):
    answer = await browser.ask("save", id="r1", version=1, changes={"name": "New"})
    assert (answer["ok"], answer["data"]["version"]) == (True, 2)
    assert grid.changed["name"] == source.rows["r1"]["name"] == "New"


@pytest.mark.parametrize(
    ("change", "kind", "field"),
    [
        ({"id": "r1", "version": 1, "changes": {"name": " "}}, "refused", "name"),
        ({"id": "r1", "version": 1, "changes": {"name": "Scene 0"}}, "refused", "name"),
        ({"id": "r1", "version": 7, "changes": {"name": "x"}}, "stale", None),
        ({"id": "gone", "version": 1, "changes": {"name": "x"}}, "gone", None),
    ],
)
async def test_a_refused_edit_says_why_and_writes_nothing(browser, source, change, kind, field):
    answer = await browser.ask("save", **change)
    assert not answer["ok"]
    assert (answer["error"]["kind"], answer["error"]["field"]) == (kind, field)
    assert source.rows["r1"].version == 1


async def test_a_stale_edit_is_answered_with_the_stored_row(browser, source):
    source.rows["r1"] = StoredRow({**source.rows["r1"], "name": "Theirs", "version": 2})
    answer = await browser.ask("save", id="r1", version=1, changes={"name": "Mine"})
    assert answer["error"]["current"]["name"] == "Theirs"
    assert answer["error"]["current"]["version"] == 2


async def test_an_unreachable_store_is_told_as_such(browser, source):
    source.down = True
    answer = await browser.ask("page", start=0, count=10)
    assert answer["error"]["kind"] == "unavailable"


async def test_an_unknown_operation_is_answered_and_never_run(browser):
    answer = await browser.ask("__class__")
    assert answer["error"]["kind"] == "unexpected"


async def test_an_unexpected_error_reaches_the_log_and_not_the_browser(browser, source, caplog):
    source.rows = None
    answer = await browser.ask("page", start=0, count=10)
    assert "NoneType" not in str(answer)
    assert "NoneType" in caplog.text


async def test_removed_rows_come_back_with_their_token(browser, grid, source):
    token = (await browser.ask("remove", ids=["r1", "r2"]))["data"]
    assert (len(source.rows), grid.removed) == (298, ["r1", "r2"])
    await browser.ask("restore", token=token)
    assert len(source.rows) == 300


async def test_a_new_row_gets_the_preset(source, browse):
    browser = browse(Grid(source, preset={"locationid": "p3"}))
    answer = await browser.ask("add", values={"name": "New"})
    assert answer["data"]["locationid"] == "p3"


async def test_the_words_of_a_preset_are_not_stored(source, browse):
    preset = {"locationid": "p3", "locationid__label": "Elsinore 3"}
    given = []

    async def add(values):
        given.append(values)
        return {"id": "new", "version": 1}

    source.add = add
    await browse(Grid(source, preset=preset)).ask("add", values={"name": "New"})
    assert given == [{"locationid": "p3", "name": "New"}]


async def test_a_reference_is_looked_up_by_its_words(browser):
    answer = await browser.ask("lookup", field="locationid", term="verona 1", row=None)
    assert answer["data"][0] == {"value": "p11", "label": "Verona 11", "detail": "a place"}


def test_a_widget_travels_as_a_stub_that_loads_the_bundle(grid):
    assert grid.get_state()["_esm"] == "load grid 0123456789ab"


async def test_the_kernel_sends_the_bundle_where_no_file_can_be_had(grid, browse):
    browser = browse(grid)
    grid._received(grid, {"t": "source"}, [])
    assert browser.messages == [{"t": "source", "text": "export default 'grid'"}]


async def test_the_first_block_travels_with_the_grid_until_a_row_changes(grid, browser):
    await grid.prefetch()
    assert [row["id"] for row in grid.get_state("first")["first"]["rows"]] == [
        f"r{n}" for n in range(100)
    ]
    assert grid.row("r99") is not None
    await browser.ask("save", id="r1", version=1, changes={"name": "Scene one"})
    assert grid.first == {}
    await grid.prefetch()
    grid.refresh()
    assert grid.first == {}
