"""Progress of a transfer, where people see it: in the terminal, or in a notebook."""

from __future__ import annotations

import asyncio
import html
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_WAKE_SECONDS = 0.2


@contextmanager
def shown_progress(*, quiet: bool = False) -> Iterator[Callable[[Any], None] | None]:
    """Give a callback that shows progress as a bar, in a notebook or a terminal; else nothing."""
    if quiet:
        yield None
    elif _in_notebook():
        with _in_cell() as show:
            yield show
    elif sys.stderr.isatty():
        with _in_terminal() as show:
            yield show
    else:
        yield None


@contextmanager
def watched(
    progress: Callable[[Any], None] | bool | None,
) -> Iterator[Callable[[Any], None] | None]:
    """Give what a caller's `progress` stands for: what is called, or with True a bar."""
    with shown_progress(quiet=progress is not True) as bar, _interruptible():
        yield progress if callable(progress) else bar


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let a kernel notice at once that its cell is interrupted.

    ipykernel (7.4) then asks its loop to cancel the cell, and does not wake it: where nothing
    but the database is waited for, that took half a minute.
    """
    if not _in_notebook():
        yield
        return
    loop = asyncio.get_running_loop()

    wanted = True

    def tick() -> None:
        if wanted:
            loop.call_later(_WAKE_SECONDS, tick)

    tick()
    try:
        yield
    finally:
        wanted = False


@contextmanager
def _in_terminal() -> Iterator[Callable[[Any], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading", total=None)

        def show(progress: Any) -> None:
            total = progress.total or None
            bar.update(task, description=str(progress), completed=progress.done, total=total)

        yield show


def _in_notebook() -> bool:
    """Whether this is a kernel, which has a cell to show things in."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def _in_cell() -> Iterator[Callable[[Any], None]]:
    import IPython.display

    notebook: Any = IPython.display
    shown = notebook.display(_both("", "Reading…"), raw=True, display_id=True)

    def show(progress: Any) -> None:
        share = f' value="{progress.done}" max="{progress.total}"' if progress.total else ""
        shown.update(_both(f"<progress{share}></progress> ", str(progress)), raw=True)

    try:
        yield show
    finally:
        shown.update(_both("", ""), raw=True)


def _both(bar: str, text: str) -> dict[str, str]:
    """Return what a cell shows: a bar and words where it can, else the words."""
    return {"text/html": bar + html.escape(text), "text/plain": text}
