"""What several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

LOCAL_URL = "http://127.0.0.1:8866"
"""Where `workbench up` serves."""

Reason = Annotated[str | None, typer.Option(help="Why, for the history.")]
World = Annotated[str | None, typer.Option(help="A world by name, or owner@mail/name.")]
