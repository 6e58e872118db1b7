"""Publishing parameters: nothing that a manifest names is half there, and nothing of another kind is taken for it."""

import pytest

from ranker.learning import blocks
from ranker.learning.blocks import BlockError
from ranker.learning.parameters import Parameters
from ranker.learning.publication import MANIFEST, Publication, Subscription
from tests.support.learning import as_log, compacted, content, events, examples, new_state, read_back, records
from tests.unit.streams.learning.test_learn_step import learn


def test_what_was_known_before_the_first_manifest_is_dropped() -> None:
    state = new_state()
    log = as_log(state.publication.change({}))
    other = new_state()
    learn(other, records(examples(events(30)), 30))
    reader = Subscription(other.parameters)
    reader.apply(log)
    assert content(reader.parameters) == content(Parameters())


def test_blocks_without_a_manifest_change_nothing() -> None:
    state = new_state()
    learn(state, records(examples(events(30)), 30))
    state.publication.lack_all()
    reader = read_back(state.publication.change({}).blocks)
    assert reader.current is None
    assert content(reader.parameters) == content(Parameters())


def test_a_slot_is_not_written_while_it_is_current() -> None:
    state, found = new_state(), examples(events(30))
    slots = []
    for start in range(0, 30, 10):
        learned = learn(state, records(found[start : start + 10], 10))
        (written_to,) = {(one.key or b"").split(b"/")[0] for one in learned.stages[0][0].records}
        slots.append(written_to)
    assert slots == [b"0", b"1", b"0"]


def test_everything_can_be_written_again() -> None:
    state = new_state()
    learn(state, records(examples(events(30)), 30))
    state.publication.lack_all()
    both = as_log(state.publication.change({})) + as_log(state.publication.change({}))
    assert content(read_back(compacted(both)).parameters) == content(state.parameters)


@pytest.mark.parametrize(
    ("key", "value"),
    [("manifest", b"\xc1"), ("0/3", b"nothing"), ("2/0", b""), ("0/-1", b""), ("other", b"")],
)
def test_a_foreign_record_is_left_out_and_named(key: str, value: bytes) -> None:
    state = new_state()
    learn(state, records(examples(events(30)), 30))
    state.publication.lack_all()
    reader = read_back(as_log(state.publication.change({})))
    change = state.publication.change({})
    with pytest.raises(BlockError):
        reader.apply([*change.blocks, (key, value), change.manifest])
    assert content(reader.parameters) == content(state.parameters)


def test_parameters_of_other_features_are_refused() -> None:
    state = new_state()
    other = blocks.manifest(state.parameters, 1, 0, {}, "other features")
    with pytest.raises(BlockError, match="other features"):
        read_back([(MANIFEST, other)])


def test_a_publication_that_begins_writes_everything() -> None:
    state = new_state()
    learn(state, records(examples(events(30)), 30))
    log = as_log(Publication(state.parameters).change({}))
    assert content(read_back(log).parameters) == content(state.parameters)
