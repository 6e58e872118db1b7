"""Which record of a video counts: clocks that disagree, records that were held up, read again, or sent on."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from encoders.base import Content
from ranker.catalogue.catalogue import Catalogue
from schemas.messages import videos
from schemas.messages.videos import CatalogueRecord, Encoded, Upload, Uploads, Withdrawn
from schemas.settings.model import Settings
from streams.dead_letters.validation import reroute
from streams.encoding.step import EmbedOutcome, EmbedStep
from streams.encoding.versions import StoredVersion, stored_version
from streams.kafka.records import Record
from tests.support.events import NOON, encoded, minute, uploaded, withdrawn, withdrew


class Encoder:
    """An encoding agent with the topic that it writes, and a ranking process that reads it."""

    def __init__(self) -> None:
        self.versions: dict[str, StoredVersion] = {}
        self.features: list[CatalogueRecord] = []
        self.step = EmbedStep(Settings(), made_of, None, lambda _: self.versions)

    def read(self, *records: Record) -> EmbedOutcome:
        outcome = asyncio.run(self.step.apply(records, partitions=1))
        self.features += outcome.records
        return outcome

    def restarted(self) -> "Encoder":
        """The next worker, which recovers what this one has sent."""
        other = Encoder()
        for one in self.features:
            other.versions[one.video_id] = stored_version(videos.encode(one))
        other.features = [*self.features]
        return other

    @property
    def shown(self) -> list[str]:
        catalogue = Catalogue()
        for one in self.features:  # one by one, as a replica that is never behind reads them
            catalogue.apply([one])
        return sorted(catalogue.row_of)

    @property
    def title(self) -> str | None:
        newest = max(self.features, key=lambda one: one.at_ms)
        return newest.title if isinstance(newest, Encoded) else None


def test_an_upload_brings_back_a_video_that_moderation_refused_at_the_same_moment() -> None:
    encoder = Encoder()
    encoder.read(record(uploaded("v1", NOON, title="refused"), 5))
    assert encoder.versions == encoder.restarted().versions
    encoder.read(record(uploaded("v1", NOON, title="fine"), 6))
    assert (encoder.shown, encoder.title) == (["v1"], "fine")


async def made_of(uploads: Sequence[Uploads], _: Sequence[Content | None]) -> list[CatalogueRecord]:
    return [
        encoded(one.video_id, one.at_ms, title=one.title)
        if isinstance(one, Upload) and one.title != "refused"
        else Withdrawn(video_id=one.video_id, at_ms=one.at_ms)
        for one in uploads
    ]


def record(one: Uploads, offset: int, at_min: float = 0, **more: Any) -> Record:
    """A record that the broker wrote so many minutes after noon."""
    fields = {"partition": 0, "key": one.video_id.encode(), "value": videos.encode(one)} | more
    return Record("freshet.uploads.v1", offset=offset, timestamp=minute(at_min), **fields)


AHEAD = record(uploaded("v1", minute(3), title="a tpyo"), 5)


def test_a_withdrawal_holds_although_the_uploads_clock_was_three_minutes_ahead() -> None:
    encoder = Encoder()
    assert not encoder.read(AHEAD, record(withdrew("v1", minute(0.2)), 6, 0.2)).dead_letters
    assert encoder.shown == []


def test_a_withdrawal_holds_although_the_upload_ran_ahead_and_the_withdrawals_clock_is_behind() -> None:
    encoder = Encoder()
    encoder.read(record(uploaded("v1", minute(5)), 5), record(withdrew("v1", minute(-4)), 6, 0.2))
    assert encoder.shown == []


def test_a_corrected_title_counts_although_its_clock_is_behind_the_first_ones() -> None:
    encoder = Encoder()
    encoder.read(AHEAD)
    encoder.read(record(uploaded("v1", minute(1), title="a typo"), 6, 1))
    assert (encoder.shown, encoder.title) == (["v1"], "a typo")


def test_an_upload_after_a_withdrawal_brings_the_video_back_although_its_clock_is_behind() -> None:
    encoder = Encoder()
    encoder.read(record(withdrew("v1", minute(3)), 5), record(uploaded("v1", NOON), 6, 0.5))
    assert encoder.shown == ["v1"]


def test_of_an_upload_and_a_withdrawal_of_one_moment_the_later_one_counts() -> None:
    encoder = Encoder()
    encoder.read(record(withdrew("v1", NOON), 5), record(uploaded("v1", NOON), 6))
    assert encoder.shown == ["v1"]
    encoder.read(record(withdrew("v1", NOON), 7))
    assert encoder.shown == []


def test_what_is_older_than_clocks_may_differ_is_a_dead_letter_with_its_place() -> None:
    encoder = Encoder()
    encoder.read(record(uploaded("v1", minute(60)), 5, 60))
    (letter,) = encoder.read(record(uploaded("v1", minute(54)), 6, 61)).dead_letters
    assert (letter.reason, letter.offset) == ("late", 6)
    assert letter.detail.startswith(f"$.at_ms is {minute(54)}, and this video has a newer upload or withdrawal")


def test_a_withdrawal_stays_when_the_older_upload_is_redelivered_after_a_restart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    encoder, gone = Encoder(), record(withdrew("v1", minute(0.2)), 6, 0.2)
    encoder.read(AHEAD, gone)
    again = encoder.restarted()
    assert not again.read(AHEAD).records and again.shown == []
    (once_more,) = again.read(gone).records
    assert once_more == encoder.features[-1]
    assert [line.endswith("was read before: a later record of its video counts") for line in caplog.messages] == [True]


def test_all_that_is_read_again_from_the_beginning_comes_to_the_same() -> None:
    log = [
        AHEAD,
        record(uploaded("v1", minute(-2), title="second"), 6, 0.1),
        record(withdrew("v1", minute(1)), 7, 1),
        record(uploaded("v1", minute(0.5), title="third"), 8, 1.5),
    ]
    encoder = Encoder()
    encoder.read(*log)
    again = encoder.restarted()
    again.read(*log)
    assert (again.shown, again.title, again.versions) == (["v1"], "third", encoder.versions)


def test_a_topic_that_was_made_again_counts_from_its_first_offset() -> None:
    encoder = Encoder()
    encoder.read(AHEAD)
    encoder.read(record(withdrew("v1", minute(2)), 0, 2))
    assert encoder.shown == []


def test_an_upload_that_was_sent_on_counts_by_the_time_at_which_it_was_first_written() -> None:
    encoder = Encoder()
    misplaced = record(uploaded("v1", minute(3)), 9, 0, partition=1, key=None)
    sent = reroute(misplaced, "v1")
    encoder.read(record(withdrew("v1", minute(1)), 5, 1))
    (letter,) = encoder.read(record(uploaded("v1", minute(3)), 6, 2, headers=sent.headers)).dead_letters
    assert letter.reason == "late" and encoder.shown == []


@pytest.mark.parametrize("known", [withdrawn("v1", minute(1)), encoded("v1", minute(1))], ids=["withdrawn", "uploaded"])
def test_what_an_earlier_release_stored_without_a_place_is_followed_by_what_is_read_now(known: CatalogueRecord) -> None:
    encoder = Encoder()
    encoder.features = [replace(known, source={})]
    later = encoder.restarted()
    later.read(record(withdrew("v1", NOON), 6, 2))
    assert later.shown == []


def test_a_repeated_upload_takes_no_second_row() -> None:
    encoder = Encoder()
    encoder.read(record(uploaded("v1"), 5), record(uploaded("v1"), 6))
    assert {one.at_ms for one in encoder.features} == {NOON}
