"""The ranking step: what was withdrawn while the process was frozen is not shown."""

from collections.abc import Sequence

from ranker.pipeline.types import Query, Slate
from ranker.profile.codec import pack
from schemas.settings.model import Settings
from streams.kafka.records import Record
from streams.ranking.shared_state import SharedState
from streams.ranking.step import RankStep
from tests.support.catalogues import LATER, catalogue_of, home_feed, ids, kitchen_and_garden
from tests.support.events import NOON, after, minute, watched, withdrawn


async def test_a_process_that_was_frozen_after_its_last_look_at_the_catalogue_looks_again() -> None:
    profile = after(watched("ana", "cook-00", minute(5)))
    shared = SharedState(Settings(), catalogue_of(*kitchen_and_garden(30)))
    slates = await home_feed(shared.catalogue).recommend([Query("ana", 1, minute(5), profile)])
    first = ids(slates[0])[0]
    waits: list[bool] = []

    async def ranked(_: Sequence[Query]) -> list[Slate]:
        return slates

    async def wait_until_current() -> bool:
        waits.append(len(waits) != 1)  # the second time it has to wait, and learns of a withdrawal
        if not waits[-1]:
            shared.catalogue.apply([withdrawn(first, LATER)])
        return waits[-1]

    step = RankStep(Settings(), shared, ranked, {}, wait_until_current=wait_until_current)
    outcome = await step.apply([Record("freshet.profiles.v1", 0, 7, NOON, b"ana", pack(profile))])
    (answer,) = outcome.answers
    assert answer.slate is not None
    assert [item.video_id for item in answer.slate.items] == ids(slates[0])[1:]
    assert waits == [True, False, True]
