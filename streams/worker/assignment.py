"""Whether a worker has the partitions that it should have: none at all is right where others have all of them."""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.kafka.consumer import Consumer

log = logging.getLogger("freshet.health")

WAIT_S = 15.0  # a group says within so long what is assigned; a killed worker holds it for its session
ASK_INTERVAL_S = 15.0
NOTHING_SAID = (
    "its group does not say which partitions it has, not even that it has none; either the coordinator answers no"
    " JoinGroup (after an unclean restart of the broker: restart it once more), or another worker of the group is"
    " still in a long batch (then it passes by itself)"
)
LEFT_OVER = (
    "it has no partition, although no worker of its group has {}; whoever shared them out did not know them: a restart"
    " of the group's workers shares them out again"
)


class AssignmentWatch:
    """Looks at the assignment once a second; `trouble` says what is wrong with it, once it has lasted.

    options  of librdkafka, for a client that asks about the group
    limit_s  after which a worker in trouble should end
    """

    def __init__(self, options: Mapping[str, Any], group: str, limit_s: float) -> None:
        self._options, self._group, self._limit_s = options, group, limit_s
        self._since_s = time.monotonic()
        self._asked_s, self._left_over = 0.0, ""
        self.trouble = ""

    def look(self, consumer: "Consumer", reachable: bool) -> None:
        """Look once; while the broker cannot be reached nothing is wrong with the group."""
        cause, now = self._cause(consumer) if reachable else "", time.monotonic()
        if not cause:
            self._since_s = now
        lasting = cause if now - self._since_s > WAIT_S else ""
        if lasting and not self.trouble:
            log.warning("no assignment: %s", lasting)
        self.trouble = lasting

    @property
    def waited_s(self) -> float:
        """For how long the assignment has been wrong."""
        return time.monotonic() - self._since_s

    def why_end(self) -> str:
        """Why the worker should end, or an empty string."""
        return f"for {self.waited_s:.0f} s {self.trouble}" if self.trouble and self.waited_s > self._limit_s else ""

    def _cause(self, consumer: "Consumer") -> str:
        if consumer.unassigned_s:
            return NOTHING_SAID
        if consumer.assignment():
            return ""
        if time.monotonic() - self._asked_s > ASK_INTERVAL_S:
            self._asked_s, self._left_over = time.monotonic(), self._ask(consumer)
        return self._left_over

    def _ask(self, consumer: "Consumer") -> str:
        from streams.kafka.group_state import unowned  # `freshet health` reads files, and needs no client

        left = unowned(self._options, self._group, consumer.topics)
        return (
            LEFT_OVER.format(", ".join(f"{topic}[{partition}]" for topic, partition in sorted(left)[:4]))
            if left
            else ""
        )
