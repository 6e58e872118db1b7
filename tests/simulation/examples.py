"""What the profiles agent does wrong with examples where it is given a mistake."""

from msgspec.structs import replace

from ranker.profile.example import Examples, decode_examples, encode_examples, joined
from schemas.topics import EXAMPLES
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.sends import Send
from streams.profiles.state import PartitionState

NEVER = 2**62  # a version that no profile reaches, and no event's place


def examples_of(partition: int, state: PartitionState) -> Send:
    """All examples that may not be confirmed."""
    found = Examples(partition, [one for _, one in state.unconfirmed.merge((), NEVER)])
    return Send(EXAMPLES.name, 0, [Outgoing(str(partition).encode(), encode_examples(found))])


def joined_early(send: Send) -> Send:
    """Examples of which nobody can tell any more which two were one."""
    found = [decode_examples(one.value or b"") for one in send.records]
    whole = [replace(one, examples=joined(one.examples)) for one in found]
    return send._replace(records=[Outgoing(str(one.partition).encode(), encode_examples(one)) for one in whole])
