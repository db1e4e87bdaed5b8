from __future__ import annotations

from uuid import uuid4

import pytest

from workbench.dashboard import dashboard
from workbench.dashboard.state import Place, State

WORLD, RECORD = uuid4(), uuid4()


@pytest.mark.parametrize(
    "place",
    [
        Place(),
        Place(WORLD),
        Place(WORLD, "scene"),
        Place(WORLD, "scene", RECORD),
        Place(WORLD, "members"),
    ],
)
def test_a_place_is_read_back_from_its_words(place):
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize(
    "text", ["", "nonsense", "scene", "scene/x", "planet/" + str(WORLD), f"user/{WORLD}", "scene//"]
)
def test_words_that_name_no_place_are_the_list_of_worlds(text):
    assert Place.parse(text) == Place()


def test_going_somewhere_forgets_the_last_problem():
    state = State()
    state.problem = "Gone."
    state.go(f"scene/{WORLD}")
    assert (state.place, state.problem) == (Place(WORLD, "scene"), "")


async def test_an_address_that_names_no_page_says_so(wb):
    made = await dashboard(wb, "planet/nine")
    assert made.state.problem == "There is no page of this address. These are the worlds."
    for place in ("", "worlds"):
        assert (await dashboard(wb, place)).state.problem == ""
