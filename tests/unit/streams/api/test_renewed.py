"""Slates for people who come back after theirs has expired."""

from typing import Any

import pytest

from ranker.profile.codec import pack
from schemas.messages.recommendations import SLATE_LIFE_MS
from schemas.topics import PROFILES
from streams.api.clock import now_ms
from streams.kafka.records import Record
from tests.support.api import Api, record, slate
from tests.support.catalogues import kitchen_and_garden
from tests.support.events import after, liked, withdrawn

SOURCE = 40  # where the profile lies on its partition of profiles.v1
GARDENER = after(liked("ana", "plant-01"), liked("ana", "plant-02"))


def profile_record(value: bytes, key: str = "ana") -> Record:
    return Record(PROFILES.full("freshet."), 0, SOURCE, 0, key.encode(), value)


def expire(api: Api, version: int = 2, **changes: Any) -> None:
    """A slate of two likes that has expired, and what it was made of."""
    api.bring(record("ana", slate("ana", version, expires_at_ms=1, **changes), source=SOURCE))


@pytest.fixture
def back(api: Api) -> Api:
    """Somebody who likes what is of the garden, and comes back after their slate has expired."""
    api.catalogue.state.apply_features(kitchen_and_garden())
    api.profile_records[0, SOURCE] = profile_record(pack(GARDENER))
    api.cold.message = slate("ana", 0)
    expire(api)
    return api


async def asked(api: Api, query: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = (await api.http.get(f"/v1/users/ana/slate{query}")).json()
    return answer


async def test_whoever_comes_back_gets_a_slate_by_what_is_known_of_them(back: Api) -> None:
    before_ms = now_ms()
    answer = await asked(back)
    made = answer["slate"]
    assert not answer["cold"] and answer["reflects"] and made["version"] == GARDENER.version == 2
    assert made["generated_at_ms"] >= before_ms and made["expires_at_ms"] >= before_ms + SLATE_LIFE_MS
    shown = [item["video_id"] for item in made["items"]]
    assert shown[0].startswith("plant") and not {"plant-01", "plant-02"} & {*shown}


async def test_it_says_which_events_it_takes_into_account(back: Api) -> None:
    assert GARDENER.origin is not None
    place = f"?after={GARDENER.origin.partition}:{GARDENER.origin.offset}"
    assert (await asked(back, place))["reflects"]
    later = await asked(back, f"?after={GARDENER.origin.partition}:{GARDENER.origin.offset + 1}")
    assert (later["reflects"], later["cold"]) == (False, False)


async def test_it_is_another_slate_than_the_one_that_has_expired(back: Api) -> None:
    expired = await back.store.get("ana")
    assert expired is not None
    assert (await asked(back))["slate"]["recommendation_id"].encode() not in expired.message


async def test_whoever_asks_again_gets_the_same_and_nothing_is_read(back: Api) -> None:
    first, again = await asked(back), await asked(back)
    assert first["slate"] == again["slate"] and back.profile_records.read == 1


async def test_the_next_slate_counts_once_it_is_there(back: Api) -> None:
    await asked(back)
    back.bring(record("ana", slate("ana", 3), 1, source=SOURCE + 1))
    assert (await asked(back))["slate"]["version"] == 3
    expire(back, 4)
    assert (await asked(back))["slate"]["version"] == GARDENER.version and back.profile_records.read == 2


async def test_it_has_no_video_that_was_withdrawn(back: Api) -> None:
    first = (await asked(back))["slate"]["items"][0]["video_id"]
    back.catalogue.state.apply_features([withdrawn(first, now_ms())])
    expire(back, 3)
    assert first not in str((await asked(back))["slate"]["items"])


async def test_an_erased_person_is_a_stranger(back: Api) -> None:
    await asked(back)
    back.bring(record("ana", None, 1))
    assert (await asked(back))["cold"]


async def test_an_erasure_takes_the_renewed_slate_of_that_person_alone(back: Api) -> None:
    await asked(back)
    back.bring(record("ben", None, 1))
    assert len(back.renewed) == 1
    back.bring(record("ana", None, 2))
    assert len(back.renewed) == 0


async def test_a_slate_that_is_made_while_its_person_is_erased_is_not_kept(back: Api) -> None:
    read = back.profile_records.at

    async def erased_meanwhile(partition: int, offset: int) -> Record | None:
        back.bring(record("ana", None, 1))
        return await read(partition, offset)

    back.profile_records.at = erased_meanwhile  # type: ignore[method-assign]
    await asked(back)
    assert len(back.renewed) == 0


@pytest.mark.parametrize(
    "stored",
    [None, profile_record(pack(GARDENER), key="ben"), profile_record(b"damaged"), profile_record(b"")],
    ids=["gone", "somebody else's", "damaged", "erased"],
)
async def test_where_the_profile_cannot_be_had_the_slate_is_a_cold_one(back: Api, stored: Record | None) -> None:
    back.profile_records.clear()
    if stored is not None:
        back.profile_records[0, SOURCE] = stored
    assert (await asked(back))["cold"]


async def test_a_slate_that_says_nothing_of_its_profile_is_not_renewed(api: Api) -> None:
    api.catalogue.state.apply_features(kitchen_and_garden())
    api.cold.message = slate("ana", 0)
    api.bring(record("ana", slate("ana", 2, expires_at_ms=1)))
    assert (await asked(api))["cold"] and api.profile_records.read == 0


async def test_before_the_catalogue_is_read_nothing_is_renewed(back: Api) -> None:
    back.catalogue.is_read = False
    assert (await asked(back))["cold"]
