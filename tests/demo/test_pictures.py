"""The demo's pictures are small, are all in use, and are what the code draws."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from workbench.demo import demo_folder
from workbench.demo.draw import PICTURES

PICTURE_BYTES = 60_000
ALL_BYTES = 500_000


def pictures() -> Path:
    return demo_folder() / "pictures"


def test_images_names_the_pictures_that_are_there_and_that_are_drawn() -> None:
    with (demo_folder() / "images.csv").open(encoding="utf-8", newline="") as file:
        named = sorted(row["file"] for row in csv.DictReader(file))
    assert named == sorted(f"pictures/{path.name}" for path in pictures().iterdir())
    assert named == sorted(f"pictures/{name}" for name in PICTURES)


def test_all_pictures_together_stay_small() -> None:
    sizes = [path.stat().st_size for path in pictures().iterdir()]
    assert max(sizes) < PICTURE_BYTES
    assert sum(sizes) < ALL_BYTES


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_opens_and_has_a_palette(name: str) -> None:
    with Image.open(pictures() / name) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert picture.mode == "P"
        assert picture.size in ((640, 480), (480, 560))


@pytest.mark.parametrize("name", PICTURES)
def test_drawing_again_gives_the_committed_picture(name: str) -> None:
    first, second = (PICTURES[name]().convert("RGB") for _ in range(2))
    assert first.tobytes() == second.tobytes()
    with Image.open(pictures() / name) as committed:
        difference = ImageChops.difference(first, committed.convert("RGB"))
    # Another release of Pillow may round an edge another way: less than one step in 255.
    assert max(ImageStat.Stat(difference).mean) < 1


def test_a_map_marks_every_place_where_the_data_say_it_is() -> None:
    with (demo_folder() / "locations.csv").open(encoding="utf-8", newline="") as file:
        locations = list(csv.DictReader(file))
    with (demo_folder() / "images.csv").open(encoding="utf-8", newline="") as file:
        maps = {row["name"]: row["file"] for row in csv.DictReader(file) if row["kind"] == "map"}
    shown_by = {row["name"]: maps[row["image"]] for row in locations if row["image"] in maps}
    for row in locations:
        if not row["x"] or row["kind"] in ("country", "region", "sea"):
            continue
        with Image.open(demo_folder() / shown_by[row["parent"]]) as picture:
            x, y = float(row["x"]) * picture.width, float(row["y"]) * picture.height
            red, green, blue = picture.convert("RGB").getpixel((int(x), int(y)))
        assert red > 2 * green, f"{row['name']} has no pin at its place"
        assert red > 2 * blue, f"{row['name']} has no pin at its place"
