"""Pictures: told by their bytes, measured before they are decoded, and made small."""

from __future__ import annotations

import hashlib
import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workbench.entities.image import CONTENT_MAXIMUM_BYTES, THUMBNAIL_MAXIMUM_BYTES
from workbench.transfer.findings import Findings
from workbench.transfer.found_files import open_regular

MAXIMUM_PIXELS = 25_000_000
THUMBNAIL_PIXELS = 256
_SHARE_BYTES = 2**24  # of pictures that are read at once

_MARKUP = re.compile(
    rb"<(?:!doctype|html|head|body|script|svg|iframe|object|embed|img|\?php|\?xml)", re.IGNORECASE
)
_MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
}
_TYPES = {
    "content": pa.large_string(),
    "thumbnail": pa.large_string(),
    "media_type": pa.string(),
    "width": pa.int64(),
    "height": pa.int64(),
    "byte_size": pa.int64(),
    "sha256": pa.string(),
}


def picture(data: bytes) -> dict[str, Any]:
    """Return the fields of an image draft that follow from the bytes of a picture.

    Raises
    ------
    ValueError
        The bytes are no picture that can be shown, or it is too large; the message says so.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ValueError("This picture is empty: it has 0 bytes.")
    if len(data) > CONTENT_MAXIMUM_BYTES:
        raise ValueError(
            f"This picture has {len(data):,} bytes; at most {CONTENT_MAXIMUM_BYTES:,} fit."
        )
    try:
        # Pillow warns of, and then refuses, what it takes for a bomb; the limit here is ours.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=tuple(_MEDIA_TYPES))
    except Image.DecompressionBombError:
        message = f"This picture has far more than the {MAXIMUM_PIXELS:,} pixels that fit."
        raise ValueError(message) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise ValueError("This is not a PNG, JPEG, GIF or WebP picture.") from None
    with image:
        width, height = image.size
        if width * height > MAXIMUM_PIXELS:
            raise ValueError(
                f"This picture has {width:,} × {height:,} pixels; at most {MAXIMUM_PIXELS:,} fit."
            )
        try:
            thumbnail = _thumbnail(image)
            if _MARKUP.search(data):
                data = _drawn_anew(image)
        except (OSError, SyntaxError, ValueError):
            raise ValueError("This picture is damaged: it cannot be decoded to its end.") from None
        return {
            "content": data,
            "thumbnail": thumbnail,
            "media_type": _MEDIA_TYPES[image.format or ""],
            "width": width,
            "height": height,
        }


def _drawn_anew(image: Any) -> bytes:
    """Return the picture without anything but what it shows.

    A file may be a picture to one program and a page with a script to another: behind its end,
    or in its comments. What is drawn anew has neither.
    """
    out = io.BytesIO()
    options: dict[str, Any] = {"save_all": True} if getattr(image, "is_animated", False) else {}
    if image.format == "JPEG":
        options["quality"] = 95
    if "icc_profile" in image.info and not _MARKUP.search(image.info["icc_profile"]):
        options["icc_profile"] = image.info["icc_profile"]
    plain = image.copy() if not options.get("save_all") else image
    plain.info = {k: v for k, v in image.info.items() if k in ("transparency", "duration", "loop")}
    plain.save(out, image.format, **options)
    return out.getvalue()


def _thumbnail(image: Any) -> bytes:
    """Return the picture with no side longer than 256 pixels: PNG, or JPEG if that is large."""
    small = image.convert(
        "RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB"
    )
    small.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    if out.tell() > THUMBNAIL_MAXIMUM_BYTES:
        out = io.BytesIO()
        small.convert("RGB").save(out, "JPEG", quality=85)
    return out.getvalue()


def shares(folder: Path | None, names: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Cut rows that name pictures into shares that fit into memory: where each begins, and how
    many rows it has.
    """
    start, size = 0, 0
    for place, name in enumerate(names):
        with suppress(OSError, ValueError):  # what is wrong with it is said when it is read
            size += os.stat(folder / name).st_size if folder and name else 0
        if size > _SHARE_BYTES or place == len(names) - 1:
            yield start, place + 1 - start
            start, size = place + 1, 0


def attach(
    source: Any,
    header: str,
    fields: dict[str, pa.Array],
    findings: Findings,
) -> set[str]:
    """Read the pictures that the column `header` names, add the fields that follow; say which.

    A picture lies beside the CSV file or in a folder below it, never elsewhere.
    """
    rows: list[dict[str, Any]] = []
    for label, name in zip(
        source.labels.to_pylist(), source.cells.column(header).to_pylist(), strict=True
    ):
        try:
            rows.append(_read(source.folder, name) if name else {})
        except ValueError as error:
            rows.append({})
            findings.cell(
                source.file, source.stored.plural, label, str(error), column=header, value=name
            )
    own_columns = set(fields)
    for column, kind in _TYPES.items():
        found = pa.array([row.get(column) for row in rows], kind)
        own = fields.get(column)
        if own is not None:  # what a picture says of itself is right
            found = pc.coalesce(found, own.cast(kind))
        fields[column] = found
    return set(_TYPES) - own_columns


def _read(folder: Path | None, name: str) -> dict[str, Any]:
    if folder is None:
        raise ValueError("A picture is named only in a file that lies beside it.")
    if "\x00" in name:
        raise ValueError("This is no name of a file.")
    path = Path(os.path.realpath(folder / name))
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("A picture must lie in the folder of the file that names it.")
    try:
        if path.stat().st_size > CONTENT_MAXIMUM_BYTES:
            raise ValueError(
                f"This picture has {path.stat().st_size:,} bytes; "
                f"at most {CONTENT_MAXIMUM_BYTES:,} fit."
            )
        with open_regular(path) as handle:
            data = handle.read(CONTENT_MAXIMUM_BYTES + 1)
    except OSError as error:
        raise ValueError(f"This picture cannot be read ({error.strerror}).") from None
    found = picture(data)
    data = found["content"]  # it may have been drawn anew
    found |= {"byte_size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    for column in ("content", "thumbnail"):
        found[column] = "\\x" + found[column].hex()
    return found
