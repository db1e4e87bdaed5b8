"""Pictures: what is known of one from its bytes, and which are refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from workbench.transfer.pictures import MAXIMUM_PIXELS, THUMBNAIL_PIXELS, picture


def drawn(kind: str, size: tuple[int, int], mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode", "media_type"),
    [
        ("PNG", "RGBA", "image/png"),
        ("PNG", "P", "image/png"),
        ("JPEG", "CMYK", "image/jpeg"),
        ("GIF", "P", "image/gif"),
        ("WEBP", "RGB", "image/webp"),
    ],
)
def test_a_picture_is_measured_and_made_small(kind: str, mode: str, media_type: str) -> None:
    found = picture(drawn(kind, (600, 300), mode))
    assert (found["media_type"], found["width"], found["height"]) == (media_type, 600, 300)
    with Image.open(io.BytesIO(found["thumbnail"])) as small:
        assert small.size == (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS // 2)
        assert small.format in ("PNG", "JPEG")
    assert len(found["thumbnail"]) <= 256 * 1024


def test_a_picture_is_told_by_its_bytes_not_its_name(shared: Path) -> None:
    data = (shared / "messy" / "27_pictures" / "png_called.jpg").read_bytes()
    assert picture(data)["media_type"] == "image/png"


@pytest.mark.parametrize("name", ["zero.png", "html_called.png", "script.svg", "truncated.jpg"])
def test_what_is_no_picture_is_refused(shared: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"This picture is (empty|damaged)|This is not a PNG"):
        picture((shared / "messy" / "27_pictures" / name).read_bytes())


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    side = int(MAXIMUM_PIXELS**0.5) + 1
    out = io.BytesIO()
    Image.new("1", (side, side)).save(out, "PNG")
    with pytest.raises(ValueError, match=r"5,001 × 5,001 pixels; at most 25,000,000 fit"):
        picture(out.getvalue())


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 10,485,760 fit"):
        picture(b"\x89PNG" + b"x" * 10 * 1024 * 1024)
