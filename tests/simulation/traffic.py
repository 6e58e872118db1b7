"""What publishers send: events in and out of order, late, sent twice, to wrong partitions, unreadable; and videos."""

from collections.abc import Iterator
from random import Random

from schemas.messages import feedback, videos
from schemas.messages.feedback import Feedback
from schemas.messages.videos import Uploads
from schemas.topics import FEEDBACK, UPLOADS
from streams.dead_letters.validation import FUTURE_MS
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import partition_of
from tests.simulation.agents import ALWAYS
from tests.simulation.broker import Broker
from tests.simulation.worker import LATE_MS
from tests.support.events import liked, skipped, uploaded, watched, withdrew
from tests.support.hostile_records import FEEDBACK as HOSTILE

MAKERS = (watched, watched, watched, liked, skipped)
BAD = [one.value for one in HOSTILE if one.value is not None and len(one.value) < 1000]


class Publisher:
    """Sends one thing after the other; everything that it sent of its own accord is in `sent`."""

    def __init__(self, broker: Broker, rng: Random, keyless_uploads: bool = False) -> None:
        self.broker, self.rng, self.keyless_uploads = broker, rng, keyless_uploads
        self.people = [f"p{n}" for n in range(rng.choice((1, 3, 12)))]
        self.videos = [f"v{n}" for n in range(12)]
        self.sent: list[str] = []  # the session id of each event, by which it is known whatever else it carries
        self.left = rng.randint(20, 120)
        self._again: list[Outgoing] = []
        self._sometimes_keyless = {name for name in self.videos if keyless_uploads or rng.random() < 0.2}
        self._clock_ms = 0  # of who uploads without keys
        self.repeats = rng.choice((0.02, 0.02, 0.02, 0.4))  # share of what was sent long ago
        self._with_ids: list[Outgoing] = []

    def live(self) -> Iterator[str]:
        """Publish until all is sent."""
        self._publish(UPLOADS.name, self._uploaded(uploaded(ALWAYS, self.broker.now_ms)))
        while self.left or self._again:
            draw = self.rng.random()
            if draw < 0.12:
                self._video()
            elif draw < 0.16:
                self._publish(FEEDBACK.name, Outgoing(b"mallory", self.rng.choice(BAD)))
            elif self._again and (draw < 0.3 or not self.left):
                self._publish(FEEDBACK.name, self._again.pop(0))
            elif self._with_ids and draw < 0.3 + self.repeats:  # a batch job is run a second time
                self._publish(FEEDBACK.name, self.rng.choice(self._with_ids))
            elif self.left:
                self.left -= 1
                self.event(self.rng.choice(self.people))
            yield "published"

    def event(self, user: str, at_ms: int | None = None, video_id: str = "") -> None:
        """Send one event, perhaps twice."""
        name = f"n{len(self.sent)}"
        self.sent.append(name)
        made = self._made(user, name, self._moment() if at_ms is None else at_ms, video_id)
        out = Outgoing(user.encode() if self.rng.random() < 0.9 else None, feedback.encode(made))
        self._publish(FEEDBACK.name, out)
        if self.rng.random() < 0.06:  # the producer never heard that it was written
            self._publish(FEEDBACK.name, out)
        if at_ms is None and self.rng.random() < 0.1:  # and something else is said of it at the same time
            self.event(user, made.at_ms, made.video_id)
        if made.event_id:
            self._with_ids.append(out)
        if made.event_id and self.rng.random() < 0.08:  # the client sends what it is unsure of
            self._again.append(out)

    def _made(self, user: str, name: str, at_ms: int, video_id: str) -> Feedback:
        event_id = name if self.rng.random() < 0.6 else None
        maker = self.rng.choice(MAKERS)
        return maker(user, video_id or self.rng.choice(self.videos), at_ms, event_id=event_id, session_id=name)

    def _moment(self) -> int:
        draw = self.rng.random()
        if draw < 0.7:
            return self.broker.now_ms
        if draw < 0.92:
            return self.broker.now_ms - self.rng.randint(0, LATE_MS)  # out of order
        return self.broker.now_ms - self.rng.randint(LATE_MS, 20 * LATE_MS)

    def _video(self) -> None:
        name = self.rng.choice(self.videos)
        at_ms = self._clock(name)
        made = withdrew(name, at_ms) if self.rng.random() < 0.4 else uploaded(name, at_ms)
        self._publish(UPLOADS.name, self._uploaded(made))

    def _clock(self, video_id: str) -> int:
        """What a publisher's clock shows: ahead or behind, now and then an upload that was held up for long.

        Without keys records of a video lie on several partitions, and only their times order them.
        """
        if video_id in self._sometimes_keyless:
            self._clock_ms = max(self._clock_ms + 1, self.broker.now_ms)
            return self._clock_ms
        behind_ms = self.rng.randint(-FUTURE_MS, FUTURE_MS)
        return self.broker.now_ms - (3 * behind_ms if self.rng.random() < 0.1 and behind_ms > 0 else behind_ms)

    def _uploaded(self, one: Uploads) -> Outgoing:
        keyless = one.video_id in self._sometimes_keyless and (self.keyless_uploads or self.rng.random() < 0.5)
        return Outgoing(None if keyless else one.video_id.encode(), videos.encode(one))

    def _publish(self, topic: str, out: Outgoing) -> None:
        """Write where a client would: by murmur2, now and then by another hash, anywhere without a key."""
        misrouted = out.key is None or (topic == FEEDBACK.name and self.rng.random() < 0.05)
        count = self.broker.partitions
        partition = self.rng.randrange(count) if misrouted else partition_of(out.key or b"", count)
        self.broker.append(topic, partition, out)
