"""Examples that go beside the profiles which make their events repeats.

Both are sent together, since one round to the broker is most of what an event waits for. So a worker may end when a
profile is written and an example of its last events is not. Each profile's record has the examples of its last batch in
a header: who recovers the profile has them sent again, in their order, as those events are read again.
"""

from collections.abc import Iterable, Mapping

from ranker.profile.example import Example, Examples, decode_examples, encode_examples
from streams.kafka.records import Headers

HEADER = "examples"
PLACE_BYTES = 8  # at the header's beginning: the place of its newest example, so that most are never decoded
HEADER_BYTES = 100_000  # of one person; beside the largest profile a record stays below a broker's limit

ExampleOf = tuple[str, Example]  # with the user id


class UnconfirmedExamples:
    """Examples of one partition by place that its last worker may not have had confirmed; empty soon after."""

    def __init__(self) -> None:
        self._by_place: dict[int, ExampleOf] = {}

    def note(self, user_id: str, headers: Iterable[tuple[str, bytes | None]], since: int) -> None:
        """Take what a recovered record has beside it, from this place on; ValueError where it is no header of ours."""
        for name, value in headers:
            if name == HEADER and value and int.from_bytes(value[:PLACE_BYTES]) >= since:
                found = decode_examples(value[PLACE_BYTES:]).examples
                self._by_place.update({one.place: (user_id, one) for one in found if one.place >= since})

    def merge(self, new: Iterable[ExampleOf], up_to: int) -> list[ExampleOf]:
        """All up to a place, new ones among them, in the order of their places: whoever learns takes no other."""
        if not self._by_place:
            return [*new]
        found = {one.place: (user_id, one) for user_id, one in new}
        found |= {place: self._by_place.pop(place) for place in sorted(self._by_place) if place <= up_to}
        return [found[place] for place in sorted(found)]

    def left(self) -> Iterable[ExampleOf]:
        """What lies further on than all that was read again."""
        return self._by_place.values()


def beside_profiles(
    partition: int, sent: Iterable[ExampleOf], left: Iterable[ExampleOf]
) -> Mapping[str, Headers] | None:
    """Headers by user id; None where somebody's would be too large, so that the examples have to go first."""
    people: dict[str, list[Example]] = {}
    for user_id, one in sent:
        people.setdefault(user_id, []).append(one)
    for user_id, one in left:
        if user_id in people:
            people[user_id].append(one)
    found: dict[str, Headers] = {}
    for user_id, theirs in people.items():
        data = encode_examples(Examples(partition, theirs))
        if len(data) > HEADER_BYTES:
            return None
        found[user_id] = ((HEADER, theirs[-1].place.to_bytes(PLACE_BYTES) + data),)
    return found
