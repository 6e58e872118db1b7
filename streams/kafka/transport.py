"""Our consumer and producer as a Faust transport."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import confluent_kafka as kafka
from faust.transport import base
from faust.types import AppT
from faust.types.transports import ConsumerT, ProducerT

from schemas.settings.model import Settings
from streams.kafka.consumer import Consumer as OurConsumer
from streams.kafka.positions import KeptOffsets
from streams.kafka.producer import Producer as OurProducer
from streams.kafka.security import librdkafka_options
from streams.kafka.topic_watch import TopicWatch
from streams.kafka.waits import Waits


class Transport(base.Transport):
    """Our consumer and producer as a Faust transport, with the client's options for this broker."""

    Consumer: type[ConsumerT] = OurConsumer  # type: ignore[misc]
    Producer: type[ProducerT] = OurProducer  # type: ignore[misc]

    driver_version = f"confluent_kafka={kafka.__version__}"

    def __init__(self, app: AppT, settings: Settings) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self.settings = settings
        self.options = librdkafka_options(settings)
        self.fetching: Mapping[str, int] = {}  # options of the group's consumer alone
        self.waits = Waits()
        self.between_polls: list[Callable[[], Awaitable[None]]] = []
        self.watch = TopicWatch(self.options)
        self.depends_on: dict[str, Sequence[str]] = {}  # see positions.py
        self.kept_offsets: KeptOffsets | None = None  # None: those that are committed
        # called before partitions are given back; whether what a topic held was published again
        self.on_made_again: list[Callable[[Sequence[str]], Awaitable[bool]]] = []
