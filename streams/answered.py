"""What was answered already: the tail of the recommendations topic says up to which changelog offset."""

import logging
from typing import Any

from schemas.outputs import SOURCE_OFFSET
from schemas.settings import Settings
from schemas.topics import PROFILES, RECOMMENDATIONS
from streams.kafka import end_offsets, read_to_end

log = logging.getLogger("freshet.answered")

TAIL = 50  # records of the tail that are looked at; a control record or a foreign one may stand last


class Answered:
    """Newest answered offset of the profiles changelog, per partition."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self._settings = settings
        self._source = PROFILES.full(settings.prefix)
        self._topic = RECOMMENDATIONS.full(settings.prefix)
        self._upto: dict[int, int] = {}
        app.on_rebalance_complete.connect(self._on_assigned, weak=False)

    def has(self, record: Any) -> bool:
        """Whether a slate that took this profile, or a newer one of its partition, into account is out."""
        return bool(record.offset <= self._upto.get(record.partition, -1))

    async def _on_assigned(self, app: Any, **_: Any) -> None:
        owned = sorted(tp.partition for tp in app.consumer.assignment() if tp.topic == self._source)
        self._upto = {}
        log.info("answering %d partitions of %s", len(owned), self._source)
        async for batch in read_to_end(self._settings, self._topic, owned, back=TAIL):
            for record in batch:
                self._upto[record.partition] = max(_source(record), self._upto.get(record.partition, -1))
        ends = await end_offsets(self._settings, self._source, owned)
        for partition, offset in list(self._upto.items()):
            if offset >= ends[partition]:
                log.warning("%s[%d] was made anew: everything in it is answered again", self._source, partition)
                del self._upto[partition]


def _source(record: Any) -> int:
    """Offset of the profile that a slate answers; -1 for a record that no ranker of ours wrote."""
    value = dict(record.headers).get(SOURCE_OFFSET) or b""
    return int(value) if value.isdigit() else -1


def source_offset(record: Any) -> tuple[str, bytes]:
    """The header that a slate carries for its profile's record."""
    return SOURCE_OFFSET, str(record.offset).encode()
