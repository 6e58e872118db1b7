"""The rules of what is learned from, and of what was learned."""

from collections.abc import Iterable, Iterator

from ranker.learning.blocks import BlockError
from ranker.learning.parameters import Parameters
from ranker.learning.publication import Subscription
from ranker.profile.example import decode_examples
from streams.kafka.owned_state import text_of
from streams.kafka.records import Record
from streams.operations.contract.facts import Breach, Facts, breach
from streams.ranking.published_parameters import TAKEOVER


def examples(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """It decodes, its examples lie in order, and its key is the partition of their events."""
    for record in records:
        try:
            found = decode_examples(record.value or b"")
        except (ValueError, RecursionError) as error:
            yield breach(record, f"does not decode: {error}")
            continue
        places = [one.place for one in found.examples]
        if places != sorted(set(places)):
            yield breach(record, "its examples do not lie in order")
        if record.key != str(found.partition).encode():
            yield breach(record, f"its key is not {found.partition}")


def weights(records: Iterable[Record], facts: Facts) -> Iterator[Breach]:
    """Every block and every manifest can be read by who ranks."""
    subscription = Subscription(Parameters())
    for record in records:
        key = text_of(record.key)
        if key == TAKEOVER or record.value is None:
            continue
        try:
            subscription.apply([(key, record.value)])
        except BlockError as error:
            yield breach(record, str(error))
