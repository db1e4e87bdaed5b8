"""What `workbench doctor` finds out about signing in."""

from __future__ import annotations

from collections.abc import AsyncIterator

from workbench.auth.flow import Flow
from workbench.database.health import Finding
from workbench.errors import SignInRefused


async def examine(flow: Flow) -> AsyncIterator[Finding]:
    """Yield for each provider whether a sign-in can begin there."""
    for name, label in flow.offered():
        try:
            await flow.begin(name)
        except SignInRefused as refused:
            yield Finding(False, f"Signing in by {label} does not begin: {refused}", refused.detail)
        else:
            yield Finding(True, f"Signing in by {label} can begin.")
