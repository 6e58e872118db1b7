"""A broker that is away: one line when it goes and one when it is back, whatever clients and agents meet meanwhile.

Each of a process's clients says for itself that its connection failed, that its group timed out, that an offset was not
committed. Such lines are held until it is known whether the broker answers: then they are written, else one line is.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Literal

log = logging.getLogger("freshet.broker")

CLIENT_LOG = "freshet.librdkafka"  # what the client library writes
MARK = "of_outage"
OF_OUTAGE = {MARK: True}  # `extra` of a line that a broker's absence causes, or may cause
LOGGERS = (CLIENT_LOG, *(f"freshet.{name}" for name in ("kafka", "consumer", "producer", "shared", "follower")))
TRUSTED_S = 5.0  # after an answer: what fails then has another cause, and is written at once
RETRY_S = 1.0  # between two questions while it is away
SETTLING_S = 60.0  # after it is back: groups form again, and clients that have lost it are replaced
HELD = 100  # lines at most, while it is not known

_BEFORE_CAUSE = re.compile(r"^(?:[A-Z]+ \[[^\]]*\] \[[^\]]*\]: (?:\S+: )*|the broker does not answer, asking again: )")

State = Literal["answering", "asked", "away", "settling"]


class BrokerOutage(logging.Filter):
    """Keeps back what is of an outage; at log level DEBUG nothing.

    is_answered  asks the broker; called in a thread of its own
    now_s        a monotonic clock
    """

    def __init__(self, is_answered: Callable[[], bool], now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._is_answered, self._now_s = is_answered, now_s
        self._state: State = "answering"
        self._answered_s = float("-inf")
        self._held: list[logging.LogRecord] = []
        self._changing = threading.Lock()
        self._suspected = threading.Event()

    def install(self) -> None:
        """Look at the lines of everything that talks to the broker, before they are thinned."""
        for name in LOGGERS:
            logging.getLogger(name).filters.insert(0, self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written now."""
        if not is_of_outage(record) or logging.getLogger().isEnabledFor(logging.DEBUG):
            return True
        with self._changing:
            if self._state == "answering":
                if self._now_s() - self._answered_s < TRUSTED_S:
                    return True
                try:
                    threading.Thread(target=self.look, name="outage", daemon=True).start()
                except RuntimeError:  # the system gives no thread, or the process is ending
                    return True
                self._state = "asked"
            if self._state == "asked" and len(self._held) < HELD:
                self._held.append(record)
            self._suspected.set()
        return False

    def look(self) -> None:
        """Find out whether the broker answers, and if not, stay until it has done so for a while."""
        if self._is_answered():
            self._let_through()
            return
        first = self._go()
        while True:
            began_s = self._now_s()
            log.warning("the broker does not answer, nothing is committed or acknowledged until it does: %s", first)
            while not self._is_answered():
                time.sleep(RETRY_S)
            log.info("the broker answers again, after %.0f s", self._now_s() - began_s)
            if self._is_settled():
                return
            first = "it was back for a moment"

    def _let_through(self) -> None:
        with self._changing:
            held, self._held = self._held, []
            self._state, self._answered_s = "answering", self._now_s()
        for record in held:
            logging.getLogger(record.name).handle(record)  # it is trusted by now

    def _go(self) -> str:
        """Nobody is told what is held; gives the cause, by the client library if it has said one."""
        with self._changing:
            held, self._held, self._state = self._held, [], "away"
        first = min(held, key=lambda record: record.name != CLIENT_LOG)
        return _BEFORE_CAUSE.sub("", first.getMessage())

    def _is_settled(self) -> bool:
        """Whether the broker goes on to answer until all have found back; each further trouble asks again."""
        end_s = self._now_s() + SETTLING_S
        while (left_s := end_s - self._now_s()) > 0:
            self._suspected.clear()
            if not self._suspected.wait(left_s):
                break
            if not self._is_answered():
                return False
        self._let_through()
        return True


def is_of_outage(record: logging.LogRecord) -> bool:
    """Whether a broker's absence may be the cause of a line: one of the client, or one that is marked."""
    return record.levelno >= logging.WARNING and (record.name == CLIENT_LOG or getattr(record, MARK, False))
