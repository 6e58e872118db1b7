"""Which media hosts are left alone for a while: a circuit breaker for each, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from encoders.media.types import MediaError

FAILURES = 3  # in a row; one lost answer says little, and each costs up to `media_s`
PAUSE_S = 30.0  # then one file tries it; a guess
MAX_HOSTS = 1024  # remembered; `*.cdn.example` may stand for any number


@dataclass
class Circuit:
    """How often a host failed in a row, and when it may be tried again."""

    failures: int = 0
    again_s: float = 0.0


class CircuitBreakers:
    """Hosts that failed several times in a row are not asked until a pause is over, and then by one file alone.

    now_s     a clock that never goes back
    failures  in a row, after which a host is left alone
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic, failures: float = FAILURES) -> None:
        self._now_s, self._most = now_s, failures
        self._failing: OrderedDict[str, Circuit] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failing)

    def check(self, host: str) -> None:
        """A MediaError where the host is left alone now."""
        circuit = self._failing.get(host)
        if circuit is None or circuit.failures < self._most:
            return
        if self._now_s() < circuit.again_s:
            raise MediaError(
                f"{host} failed {circuit.failures} times in a row, so it is left alone for {PAUSE_S:g} s; "
                "check that it is up, then send the upload again"
            )
        circuit.again_s = self._now_s() + PAUSE_S  # the others wait for what this one finds

    def answered(self, host: str) -> None:
        """It works: whatever came before is forgotten."""
        self._failing.pop(host, None)

    def failed(self, host: str) -> None:
        """It could not be reached, or took too long."""
        circuit = self._failing.setdefault(host, Circuit())
        circuit.failures += 1
        circuit.again_s = self._now_s() + PAUSE_S
        self._failing.move_to_end(host)
        while len(self._failing) > MAX_HOSTS:
            self._failing.popitem(last=False)
