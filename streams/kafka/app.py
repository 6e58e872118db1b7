"""A Faust app on this folder's transport; Faust's own types know nothing of what transport.py adds."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import faust

if TYPE_CHECKING:
    from streams.kafka.consumer import Consumer
    from streams.kafka.producer import Producer
    from streams.kafka.transport import Transport


class BatchApp(faust.App):
    """A Faust app whose events are polls (poll.py).

    quality  says how good what the agent makes is, by figure, from any thread; empty where nobody judges it
    """

    quality: Callable[[], Mapping[str, float]] = dict

    if TYPE_CHECKING:  # what Faust has under these names, of narrower types
        transport: Transport
        producer_transport: Transport
        consumer: Consumer
        producer: Producer
        _consumer: Consumer | None
        should_stop: bool
        consumer_generation_id: int
