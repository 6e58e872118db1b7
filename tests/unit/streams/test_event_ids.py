"""What the profiles step keeps and sends of event ids, and what a recovery makes of them."""

from collections.abc import Sequence

from ranker.profile.codec import unpack
from ranker.profile.event_ids import EventIds, Page, decode_page, page_key
from schemas.messages import erasures, feedback
from schemas.messages.erasures import Erasure
from schemas.messages.feedback import Feedback
from schemas.settings.model import Settings
from schemas.topics import ERASURES, EVENT_IDS, FEEDBACK, PROFILES
from streams.kafka.confirmed_producer import Outgoing
from streams.kafka.records import Record
from streams.kafka.sends import Send
from streams.profiles.state import empty_partition, recovered_event_ids
from streams.profiles.step import ProfilesOutcome, ProfilesStep
from tests.support.events import NOON, liked, minute

SETTINGS = Settings(prefix="")
STAMP = minute(60 * 24 * 30)


class Worker:
    """A step with one partition."""

    def __init__(self) -> None:
        self.state = empty_partition(0)
        self.step = ProfilesStep(SETTINGS, {0: self.state}, trends_limit=0)
        self._offset = 0

    def like(self, *events: Feedback) -> ProfilesOutcome:
        records = [self._record(FEEDBACK.name, one.user_id, feedback.encode(one)) for one in events]
        return self.step.apply([((FEEDBACK.name, 0), records)], 1)

    def erase(self, user_id: str, at_ms: int) -> ProfilesOutcome:
        record = self._record(ERASURES.name, user_id, erasures.encode(Erasure(user_id=user_id, at_ms=at_ms)))
        return self.step.apply([((ERASURES.name, 0), [record])], 1)

    def _record(self, topic: str, key: str, value: bytes) -> Record:
        self._offset += 1
        return Record(topic, 0, self._offset, STAMP, key.encode(), value)


def likes(count: int, first: int = 0, at_ms: int = NOON, user_id: str = "ana") -> list[Feedback]:
    return [liked(user_id, f"v{n % 9}", at_ms, event_id=f"e{n}") for n in range(first, first + count)]


def sent(stage: Sequence[Send], topic: str) -> list[Outgoing]:
    return [one for send in stage if send.topic == topic for one in send.records]


def test_event_ids_are_confirmed_before_the_profile_that_no_longer_holds_them():
    outcome = Worker().like(*likes(128))
    first, changes = outcome.stages
    [page], [profile] = sent(first, EVENT_IDS.name), sent(changes, PROFILES.name)
    assert page.key == page_key("ana", 128).encode() and page.value and profile.value
    ids = decode_page(page.value).ids + unpack(profile.value).recent_ids
    assert len(ids) == 128 * 8 and len(decode_page(page.value).ids) == 64 * 8


def test_a_poll_that_cuts_nothing_off_is_confirmed_once():
    assert len(Worker().like(*likes(127)).stages) == 1


def test_pages_whose_events_are_late_are_deleted():
    worker = Worker()
    worker.like(*likes(192))  # two pages
    worker.like(*likes(64, 192, NOON + SETTINGS.late_ms + 1))
    *_, changes = worker.like(*likes(64, 256, NOON + SETTINGS.late_ms + 2)).stages
    gone = [one.key for one in sent(changes, EVENT_IDS.name) if one.value is None]
    assert gone == [page_key("ana", 128).encode(), page_key("ana", 192).encode()]
    assert worker.state.event_ids["ana"].versions == [256, 320]


def test_an_erasure_deletes_a_persons_pages_and_nobody_elses():
    worker = Worker()
    worker.like(*likes(192), *likes(128, user_id="ben"))
    *_, changes = worker.erase("ana", NOON).stages
    assert [one.value for one in sent(changes, EVENT_IDS.name)] == [None, None]
    assert {one.key for one in sent(changes, EVENT_IDS.name)} == {page_key("ana", n).encode() for n in (128, 192)}
    assert worker.state.event_ids.keys() == {"ben"}
    assert len(worker.like(*likes(128, at_ms=NOON + 1)).applied) == 128  # the same ids in a life that begins again


PAGES = {page_key("ana", n): Page(n, NOON, n.to_bytes(8, "little") * 64) for n in (128, 192, 256)}


def recovered(
    version: int, erased_at: int = 0, pages: dict[str, Page] = PAGES
) -> tuple[dict[str, EventIds], list[str]]:
    return recovered_event_ids(pages, lambda _: version, lambda _, one: one > erased_at, SETTINGS.late_ms)


def test_a_page_counts_for_a_profile_that_has_reached_it():
    held, gone = recovered(200)
    assert held["ana"].versions == [128, 192] and gone == []
    assert recovered(0) == ({}, [])


def test_pages_from_before_an_erasure_are_deleted():
    held, gone = recovered(256, erased_at=192)
    assert held["ana"].versions == [256] and gone == [page_key("ana", 128), page_key("ana", 192)]


def test_pages_that_are_too_old_are_deleted():
    newest = {page_key("ana", 320): Page(320, NOON + SETTINGS.late_ms + 1, bytes(512))}
    held, gone = recovered(320, pages=PAGES | newest)
    assert held["ana"].versions == [320] and gone == list(PAGES)
