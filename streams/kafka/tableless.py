"""What Faust asks of a consumer for its tables and its own fetcher, and this driver does without."""

from typing import Any, NoReturn

from faust.transport import consumer as faust_consumer


class TablelessConsumer(faust_consumer.Consumer):
    """Faust's consumer for apps without tables: owned state is in streams/kafka/owned_state.py."""

    async def _drain_messages(self, fetcher: Any) -> None:  # a Fetcher, of which Faust declares no `_stopped`
        await fetcher._stopped.wait()  # Faust's fetcher begins after a first assignment, and only a fetch finds one

    async def _unused(self, *_: Any, **__: Any) -> NoReturn:  # stands for methods of many signatures
        raise NotImplementedError("no Faust table lies on this driver: owned state is in streams/kafka/owned_state.py")

    _getmany = _seek = seek_wait = seek_to_committed = position = create_topic = _unused
    earliest_offsets = highwaters = key_partition = _new_topicpartition = topic_partitions = _unused  # type: ignore[assignment]
    highwater = _unused  # type: ignore[assignment]
    _to_message = _unused  # type: ignore[assignment]
