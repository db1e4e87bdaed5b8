"""Pictures: what is known of one from its bytes, and which are refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

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


PAGE = b"<html><script>alert(1)</script></html>"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_that_is_a_page_too_is_drawn_anew(kind: str) -> None:
    plain = drawn(kind, (40, 30))
    found = picture(plain + PAGE)
    assert b"<script" not in found["content"]
    assert (found["width"], found["height"]) == (40, 30)
    with Image.open(io.BytesIO(found["content"])) as image:
        assert (image.format, image.size) == (kind, (40, 30))
    assert picture(plain)["content"] == plain


def test_a_script_in_a_comment_is_drawn_anew_without() -> None:
    out = io.BytesIO()
    comment = PngInfo()
    comment.add_text("Comment", PAGE.decode())
    Image.new("RGB", (4, 4)).save(out, "PNG", pnginfo=comment)
    assert b"<script" in out.getvalue()
    assert b"<script" not in picture(out.getvalue())["content"]


def test_a_comment_that_unpacks_to_too_much_is_refused() -> None:
    out = io.BytesIO()
    comment = PngInfo()
    comment.add_text("Comment", "x" * 80_000_000, zip=True)
    Image.new("RGB", (4, 4)).save(out, "PNG", pnginfo=comment)
    assert len(out.getvalue()) < 100_000
    with pytest.raises(ValueError, match=r"This is not a PNG|damaged"):
        picture(out.getvalue())


def test_a_moving_picture_keeps_its_frames_when_drawn_anew() -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=100)
    with Image.open(io.BytesIO(picture(out.getvalue() + PAGE)["content"])) as image:
        assert image.n_frames == 3
