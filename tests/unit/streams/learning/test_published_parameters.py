"""What counts of weights.v1: what the worker wrote that took over last, whoever was frozen and writes late."""

from ranker.learning.parameters import Parameters
from ranker.learning.publication import Publication, Subscription
from schemas.settings.model import Settings
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.kafka.sends import Stage
from streams.learning.step import LearnerState, LearnStep
from streams.learning.weights_topic import is_overtaken, takeover
from streams.ranking.published_parameters import PublishedParameters
from tests.support.learning import EXAMPLES, FACTS, content, events, examples, of_all_videos, records

WEIGHTS = "freshet.weights.v1"
FOUND = examples(events(60))


def log_of(sent: list[Outgoing]) -> list[Record]:
    return [Record(WEIGHTS, 0, n, 0, one.key, one.value, one.headers) for n, one in enumerate(sent)]


def flat(stages: tuple[Stage, ...]) -> list[Outgoing]:
    return [one for stage in stages for send in stage for one in send.records]


def reader(sent: list[Outgoing]) -> PublishedParameters:
    found = PublishedParameters(Subscription(Parameters(), keep=True))
    found.apply(log_of(sent))
    return found


def begun(sent: list[Outgoing], writer: bytes) -> LearnerState:
    """The state of a worker that takes over and reads what was sent."""
    sent += flat((takeover(WEIGHTS, writer),))
    found = reader(sent).subscription
    if found.current is None:
        return LearnerState(found.parameters, Publication(found.parameters), writer=writer)
    return LearnerState(found.parameters, found.publication(), dict(found.current.learned), writer)


def learned(state: LearnerState, first: int, end: int) -> list[Outgoing]:
    step = LearnStep(Settings(), {0: state}, FACTS)
    return flat(step.apply([((EXAMPLES, 0), records(FOUND[first:end], 5))]).stages)


def test_what_a_worker_writes_late_that_was_frozen_counts_nowhere() -> None:
    sent: list[Outgoing] = []
    frozen = begun(sent, b"frozen")
    sent += learned(frozen, 0, 20)
    late = learned(frozen, 20, 40)
    sent += late[:3]
    owner = begun(sent, b"owner")
    own = learned(owner, 20, 60)
    sent += own[:5] + late[3:] + own[5:]
    found = reader(sent)
    assert content(found.subscription.parameters) == content(owner.parameters)
    assert of_all_videos(found.subscription.parameters) == found.subscription.parameters.totals.tolist()
    heir = begun(sent, b"heir")
    assert content(heir.parameters) == content(owner.parameters)
    assert heir.learned == {0: FOUND[-1].place}


def test_who_recovers_is_told_which_keys_are_covered_until_they_are_written_again() -> None:
    sent: list[Outgoing] = []
    frozen = begun(sent, b"frozen")
    sent += learned(frozen, 0, 20)
    late = learned(frozen, 20, 30)
    owner = begun(sent, b"owner")
    sent += late
    assert reader(sent).covered == {(one.key or b"").decode() for one in late}
    owner.publication.lack_all()
    sent += [one for _ in "01" for one in learned(owner, 20, 60)]
    assert reader(sent).covered <= {"manifest"}


def test_a_worker_sees_that_another_one_took_over() -> None:
    sent: list[Outgoing] = []
    begun(sent, b"one")
    assert not is_overtaken(log_of(sent), b"one")
    begun(sent, b"other")
    assert is_overtaken(log_of(sent), b"one")


def test_blocks_that_two_workers_wrote_by_turns_stop_no_reader() -> None:
    """Without a takeover nothing tells them apart: the same video may then stand in two rows."""
    one, other = (LearnerState(parameters, Publication(parameters)) for parameters in (Parameters(), Parameters()))
    mine, theirs = learned(one, 0, 30), learned(other, 15, 45)
    again = learned(one, 30, 60)
    for cut in range(0, len(mine), 3):
        reader([*mine[:cut], *theirs, *mine[cut:], *again[: len(again) // 2], *theirs, *again])
