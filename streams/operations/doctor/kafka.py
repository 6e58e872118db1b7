"""Kafka as this machine sees it: reachable by its own addresses, letting us in, with the right topics and time."""

import time
from collections.abc import Callable, Iterator

from schemas.settings.model import Settings
from schemas.topics import TOPICS
from streams.errors import OperatorError
from streams.kafka import topic_admin
from streams.kafka.cluster import advertised, controller_time_ms, why_unreachable
from streams.kafka.probe import wait_for_authenticated_broker
from streams.operations.doctor.finding import Finding, fail, ok, warn

WAIT_S = 5.0
WARN_APART_S, FAIL_APART_S = 5.0, 60.0  # events are stamped by the broker, slates by their ranking agent
SHOWN = 5
APPLY = "Run `freshet topics apply`."
ADVERTISE = (
    "Set the broker's advertised.listeners to a name and port that this machine reaches, as docker-compose.yml does "
    "with one listener for each side."
)
CLOCK = "Let both machines set their clocks by NTP (timedatectl set-ntp true)."


class KafkaChecks:
    """Checks that build on each other: what comes after a failure is left out, and says so."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.model_copy(update={"broker_wait_s": min(WAIT_S, settings.broker_wait_s)})
        self._is_usable = False

    def check_broker(self) -> Iterator[Finding]:
        """Whether a broker answers, accepts us, and gives addresses that can be reached from here."""
        settings = self._settings
        wait_for_authenticated_broker(settings, lambda _: None)
        brokers = advertised(settings)
        faults = [(host, port, why) for host, port in brokers if (why := why_unreachable(host, port))]
        for host, port, why in faults:
            found = f"{settings.bootstrap} answers, but tells its clients to go to {host}:{port}, and {why}"
            yield fail("broker", found, ADVERTISE)
        self._is_usable = not faults
        if not faults:
            where = ", ".join(f"{host}:{port}" for host, port in brokers)
            yield ok("broker", f"Kafka answers at {settings.bootstrap} and is reached at {where}")

    def check_topics(self) -> Iterator[Finding]:
        """Whether the topics are as the settings want them."""
        if not self._is_usable:
            yield _left_out("topics")
            return
        differences = topic_admin.plan(self._settings, TOPICS)
        for one in differences[:SHOWN]:
            if one.action == "refuse":
                yield fail("topics", str(one), "`freshet topics plan` lists all that differs.")
            else:
                yield fail("topics", str(one), APPLY)
        if len(differences) > SHOWN:
            yield fail("topics", f"and {len(differences) - SHOWN} more", "`freshet topics plan` lists all.")
        if not differences:
            yield ok("topics", f"{len(TOPICS)} topics with the prefix {self._settings.prefix!r}, as they should be")

    def check_clock(self, now_s: Callable[[], float] = time.time) -> Iterator[Finding]:
        """Whether this machine and Kafka agree on the time."""
        if not self._is_usable:
            yield _left_out("clock")
            return
        try:
            theirs_ms, ours_ms = controller_time_ms(self._settings), 1000 * now_s()
        except OperatorError as error:  # a right that nothing else needs
            yield warn("clock", f"Kafka does not say its time: {error.cause}", "Allow DESCRIBE on the cluster.")
            return
        if theirs_ms is None:
            yield warn("clock", "this Kafka does not say its time", "Compare the clocks by hand.")
            return
        apart_s = (ours_ms - theirs_ms) / 1000
        found = f"this machine's clock is {abs(apart_s):.1f} s {'ahead of' if apart_s > 0 else 'behind'} Kafka's"
        if abs(apart_s) > FAIL_APART_S:
            yield fail("clock", found, CLOCK)
        elif abs(apart_s) > WARN_APART_S:
            yield warn("clock", found, CLOCK)
        else:
            yield ok("clock", found)


def _left_out(check: str) -> Finding:
    return warn(check, "not looked at, since the broker cannot be used", "Remedy that first.")
