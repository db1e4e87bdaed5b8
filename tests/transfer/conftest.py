"""Files for imports, and what is in the database after them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.transfer.options import HOW_IT_IS, Reading
from workbench.transfer.readers import read
from workbench.transfer.report import Findings


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files into one folder, by name and text (or bytes); return the folder."""

    def _write(**files: str | bytes) -> Path:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / f"{name}.csv").write_bytes(data)
        return tmp_path

    return _write


Read = tuple[list[dict[str, Any]], Findings, list[Any]]


@pytest.fixture
def rows_of() -> Callable[..., Read]:
    """Read a file as an import does: its rows as they are written, findings, and labels."""

    def _rows_of(path: Path, reading: Reading = HOW_IT_IS) -> Read:
        findings = Findings()
        found = read(path, findings, {}, reading)
        rows = [row for source in found for row in source.cells.to_pylist()]
        return rows, findings, [label for source in found for label in source.labels.to_pylist()]

    return _rows_of
