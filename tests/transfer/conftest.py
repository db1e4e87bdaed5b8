"""Files for imports, and what is in the database after them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files into one folder, by name and text (or bytes); return the folder."""

    def _write(**files: str | bytes) -> Path:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / f"{name}.csv").write_bytes(data)
        return tmp_path

    return _write
