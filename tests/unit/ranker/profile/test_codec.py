"""The profile as bytes: what can be read back, how large it is, and its digest."""

import msgspec
import pytest

from ranker.profile import history
from ranker.profile.codec import ProfileError, order_of, pack, state_digest, unpack, version_of
from ranker.profile.model import EMPTY, Profile
from schemas.messages.feedback import Feedback
from schemas.messages.fields import DAY_MS, YEAR_2000_MS, YEAR_2100_MS
from streams.logs.convert.kuairand import convert_kuairand
from tests.support import events
from tests.support.events import ONE_OF_EACH, after, arrivals, fold_all, followed, hid, liked, minute, skipped, watched
from tests.support.paths import DATA

KUAIRAND = DATA / "kuairand-pure"

# Bytes


FOREIGN = {
    "empty": b"",
    "reserved": b"\xc1",
    "json": b"{}",
    "cut": pack(EMPTY)[:-1],
    "longer": pack(EMPTY) + b"\0",
    "deep": b"\x91" * 100_000,
}


@pytest.mark.parametrize("read", [unpack, version_of])
@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_bytes_that_are_no_profile_give_one_clear_error(read, data):
    with pytest.raises(ProfileError, match=r"bytes: .+; rebuild it from the feedback log"):
        read(data)


def test_a_profile_of_another_format_is_no_profile():
    with pytest.raises(ProfileError, match=r"bytes: .+; rebuild it from the feedback log"):
        unpack(msgspec.msgpack.encode(["p2", 1]))


def test_the_version_can_be_read_alone_also_where_the_rest_is_damaged():
    data = pack(after(*ONE_OF_EACH))
    assert version_of(data) == unpack(data).version == len(ONE_OF_EACH)
    assert version_of(data.replace(b"v3", b"v\xff")) == len(ONE_OF_EACH)


@pytest.mark.parametrize("field", ["seen", "recent_ids"])
def test_hashes_that_end_inside_an_entry_are_refused(field):
    with pytest.raises(ProfileError, match="ends inside an entry"):
        unpack(pack(msgspec.structs.replace(EMPTY, **{field: b"123"})))


def test_a_text_that_is_no_utf8_is_refused():
    damaged = pack(after(liked("ana", "video-7"))).replace(b"video-7", b"video-\xff")
    with pytest.raises(ProfileError):
        unpack(damaged)


def test_a_profile_of_a_later_release_with_one_more_field_can_be_read():
    later = msgspec.msgpack.encode([*msgspec.msgpack.decode(pack(EMPTY), strict=False), "new"])
    assert unpack(later) == EMPTY


@pytest.mark.parametrize("at_ms", [YEAR_2000_MS, YEAR_2100_MS])
@pytest.mark.parametrize("video_id", ["v", "动物-🐈", "x" * 256, "a b\t"])
def test_hostile_ids_and_times_are_folded_and_packed(video_id, at_ms):
    event = watched("ana", video_id, at_ms, watched_ms=DAY_MS, duration_ms=1, event_id="🐈" * 64)
    ana = after(event)
    assert unpack(pack(ana)) == ana
    assert ana.watches == (history.Interaction(video_id, at_ms, 100),)


def test_the_fullest_profile_with_short_ids_stays_below_six_and_a_half_kilobytes():
    everything: list[Feedback] = []
    for number in range(600):
        at_ms, video_id = minute(number), f"v{number}"
        one = (watched, liked, skipped, hid, followed)[number % 5]
        everything.append(one("ana", video_id, at_ms, event_id=f"e-{number}"))
    assert len(pack(after(*everything))) < 6_500


# The digest


def test_the_digest_does_not_see_where_events_were_read():
    events = [liked("ana", "v1", event_id="e-1"), watched("ana", "v2", event_id="e-2")]
    here = fold_all({}, arrivals(events), DAY_MS).changed
    there = fold_all({}, arrivals(events, topic="other", partition=5, first=77), DAY_MS).changed
    assert here != there
    assert state_digest(here.items()) == state_digest(there.items())


def test_the_digest_sees_everything_else():
    base = after(*ONE_OF_EACH)
    others = [
        msgspec.structs.replace(base, **{name: getattr(EMPTY, name)})
        for name in Profile.__struct_fields__
        if name != "applied"
    ]
    digests = {state_digest([("ana", profile)]) for profile in [base, *others]}
    # No event id was given, so that `recent_ids` is the one field that was empty before.
    assert len(digests) == len(Profile.__struct_fields__) - 1
    assert state_digest([("ben", base)]) not in digests


# Real data


@pytest.mark.skipif(not KUAIRAND.is_dir(), reason=f"needs the KuaiRand files in {KUAIRAND}")
@pytest.mark.slow
def test_profiles_of_the_real_log_are_small(tmp_path):
    log = tmp_path / "kuairand.jsonl"
    counts = convert_kuairand(KUAIRAND, log)
    users: dict[str, Profile] = {}
    logged = list(events.events_of(log))
    for start in range(0, len(logged), 500):
        users |= fold_all(users, arrivals(logged[start : start + 500], first=start), DAY_MS).changed
    sizes = sorted(len(pack(profile)) for profile in users.values())
    assert sum(profile.version for profile in users.values()) == sum(counts.events.values())
    assert sizes[len(sizes) // 2] <= 1024
    assert sizes[len(sizes) * 99 // 100] <= 2048


def test_packed_profiles_sort_as_their_versions_do() -> None:
    versions = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 1_000_042, 2**32 - 1]
    packed = [pack(msgspec.structs.replace(EMPTY, version=version, newest_ms=10**12)) for version in versions]
    assert sorted(packed, key=order_of) == packed
    assert len({order_of(data) for data in packed}) == len(packed)
