"""What a page and its kernel said of late: a connection that breaks loses some of it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

# A dead connection is noticed after two pings, a minute; nothing is written to it any more then.
KEPT_SECONDS = 120.0
KEPT_BYTES = 32 * 1024 * 1024
_KNOWN_IDS = 5000
# A kernel that is busy takes nothing up; what waits for it is in this process's memory.
BACKLOG_MESSAGES = 1000
BACKLOG_BYTES = 64 * 1024 * 1024
# What a page may send for long, and at once before that counts; a large message is many.
SENT_PER_SECOND = 300
SENT_AT_ONCE = 1000
_ONE_MESSAGE_BYTES = 64 * 1024


class Journal:
    """Makes each message arrive once, in order, over connections that come and go.

    The page says how many messages it has received when it connects again, and sends again
    what had no answer. Those that were lost on their way are sent to it once more; those that
    did arrive here are known by their id.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._dropped = 0
        self._order: deque[str] = deque()
        self._known: set[str] = set()
        self._waiting: dict[str, int] = {}
        self.backlog = 0
        self._room = asyncio.Event()
        self._credit, self._credited_at = float(SENT_AT_ONCE), clock()

    def sent(self, frame: bytes) -> None:
        """Keep a message for the page."""
        now = self._clock()
        self._sent.append((now, frame))
        self._bytes += len(frame)
        while self._sent and (self._bytes > KEPT_BYTES or self._sent[0][0] < now - KEPT_SECONDS):
            self._bytes -= len(self._sent.popleft()[1])
            self._dropped += 1

    def since(self, received: int) -> list[bytes] | None:
        """Return what came after the first `received` messages; None if it is not all there."""
        if not self._dropped <= received <= self._dropped + len(self._sent):
            return None
        return [frame for _, frame in self._sent][received - self._dropped :]

    def is_new(self, message_id: str) -> bool:
        """Tell whether a message from the page comes for the first time."""
        if message_id in self._known:
            return False
        self._known.add(message_id)
        self._order.append(message_id)
        if len(self._order) > _KNOWN_IDS:
            self._known.discard(self._order.popleft())
        return True

    def waits(self, message_id: str, size: int) -> None:
        """Note that a message of the page was sent to the kernel."""
        self._waiting[message_id] = size
        self.backlog += size

    def done(self, message_id: str) -> None:
        """Note that the kernel dealt with a message, and so with all before it."""
        if message_id in self._waiting:
            for earlier in list(self._waiting):
                self.backlog -= self._waiting.pop(earlier)
                if earlier == message_id:
                    break
        if not self.is_full:
            self._room.set()

    @property
    def is_full(self) -> bool:
        """Whether the kernel should deal with what it has before it gets more."""
        return len(self._waiting) >= BACKLOG_MESSAGES or self.backlog >= BACKLOG_BYTES

    async def room(self) -> None:
        """Wait until the kernel may be given more."""
        while self.is_full:
            self._room.clear()
            await self._room.wait()

    def pace(self, size: int) -> float:
        """Count what the page sent; return for how many seconds not to listen to it."""
        now = self._clock()
        self._credit += (now - self._credited_at) * SENT_PER_SECOND
        self._credit = min(self._credit, SENT_AT_ONCE) - 1 - size // _ONE_MESSAGE_BYTES
        self._credited_at = now
        return max(0.0, -self._credit / SENT_PER_SECOND)
