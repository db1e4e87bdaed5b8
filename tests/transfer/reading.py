"""What an import reads, without a database."""

from __future__ import annotations

from workbench.errors import UnreadableFile
from workbench.transfer.findings import Findings
from workbench.transfer.options import HOW_IT_IS, Reading
from workbench.transfer.readers import Sources, open_all, pieces
from workbench.transfer.source import Source


def read(sources: Sources, reading: Reading = HOW_IT_IS) -> tuple[list[Source], Findings]:
    """Read all there is, in pieces; of what cannot be read to its end, nothing."""
    opened = open_all(sources, reading)
    found: list[Source] = []
    for feed in opened.feeds:
        try:
            found += [source for source, _ in list(pieces(feed, opened.findings))]
        except UnreadableFile as error:
            opened.findings.unread(error, feed.file, feed.stored.plural)
    return found, opened.findings
