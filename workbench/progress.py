"""Progress of an import in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def shown_progress(*, quiet: bool = False) -> Iterator[Callable[[Any], None] | None]:
    """Give a callback that shows progress as a bar, if standard error is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading", total=None)

        def show(progress: Any) -> None:
            bar.update(
                task,
                description=f"{progress.stage} {progress.table}".strip(),
                completed=progress.done,
                total=progress.total or None,
            )

        yield show
