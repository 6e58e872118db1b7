"""What the API answers of videos and people, over a catalogue of some made-up ones."""

from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from encoders.fusion.embeddings import fusion_of
from encoders.fusion.fusion import version_of
from encoders.modalities.configured import modalities_of
from ranker.catalogue.entry import LIMITED
from ranker.catalogue.popularity import TrendCounts
from schemas.messages import trends
from schemas.messages.vectors import encode_vector
from schemas.messages.videos import Encoded
from schemas.topics import TRENDS
from streams.api.clock import now_ms
from streams.kafka.records import Record
from tests.support.api import Api
from tests.support.events import NOON, after, encoded, followed, hid, liked, skipped, watched, withdrawn

CAT, CAR = np.eye(384, dtype=np.float32)[0], np.eye(384, dtype=np.float32)[1]


def toward(base: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    row = (base + share * other).astype(np.float32)
    return row / np.float32(np.linalg.norm(row))


TEXTS = {"cat": CAT, "cat-2": toward(CAT, CAR, 0.2), "car": CAR, "näh/maschine?": toward(CAR, CAT, 0.5)}


def stored(api: Api, video_id: str, **more: Any) -> Encoded:
    """A video as the present models embed it."""
    settings = api.settings
    text = next(f"text-minilm@{one.version}" for one in modalities_of(settings) if one.name == "text")
    fused = version_of(fusion_of(settings).version)
    made = {"text": encode_vector(text, TEXTS[video_id]), "retrieval": encode_vector(fused, TEXTS[video_id][:256])}
    fields = {"description": f"about {video_id}", "labels": {"topic:pets": 0.4, "topic:food": 0.6}, **more}
    return replace(encoded(video_id, **fields), vectors={name: one for name, one in made.items() if one is not None})


@pytest.fixture
def shop(api: Api) -> Api:
    """Four videos; a person who liked one of them."""
    languages = {"cat": "en", "cat-2": "de"}
    api.catalogue.state.apply_features([stored(api, name, language=languages.get(name, "en")) for name in TEXTS])
    api.query_encoder.vectors = {"pets": CAT}
    api.profiles["ana"] = after(liked("ana", "cat"), watched("ana", "gone", NOON + 1), hid("ana", "car", NOON + 2))
    return api


def popular(api: Api, **people: int) -> None:
    """So many people turned to videos."""
    counts, at_ms = TrendCounts(), now_ms()
    for video_id, count in people.items():
        for _ in range(count):
            counts.add(video_id, at_ms)
    value = trends.encode(counts.record(at_ms // 1000, 1000))
    api.catalogue.state.apply([Record(TRENDS.full(api.settings.prefix), 0, 0, at_ms, b"0", value)])


async def got(api: Api, path: str, status: int = 200, **params: Any) -> Any:
    answer = await api.http.get(path, params=params)
    assert answer.status_code == status, answer.text
    kind = "application/json" if status == 200 else "application/problem+json"
    assert answer.headers["content-type"] == kind
    return answer.json()


def ids(found: dict[str, Any]) -> list[str]:
    return [one["video_id"] for one in found["items"]]


async def test_a_video_is_told_with_what_shows_it(shop: Api) -> None:
    found = await got(shop, "/v1/videos/cat")
    assert (found["title"], found["description"], found["state"]) == ("cat", "about cat", "active")
    assert found["topics"] == ["food", "pets"] and found["modalities"] == ["text"]
    assert "vectors" not in found and found["media_uri"] is None


async def test_a_withdrawn_and_a_limited_video_say_so(shop: Api) -> None:
    shop.catalogue.state.apply_features(
        [withdrawn("car", NOON + 1, "copyright"), stored(shop, "cat", labels={LIMITED: 1.0})]
    )
    gone = await got(shop, "/v1/videos/car")
    assert (gone["state"], gone["reason"], gone["title"]) == ("withdrawn", "copyright", None)
    assert (await got(shop, "/v1/videos/cat"))["state"] == "limited"
    assert "cat" not in ids(await got(shop, "/v1/search", q="pets"))
    shop.catalogue.state.apply_features([stored(shop, "cat", at_ms=NOON + 1)])
    assert ids(await got(shop, "/v1/search", q="pets"))[0] == "cat"


async def test_an_id_may_hold_any_character(shop: Api) -> None:
    path = "/v1/videos/" + quote("näh/maschine?", safe="")
    assert (await got(shop, path))["title"] == "näh/maschine?"
    assert ids(await got(shop, f"{path}/similar", k=1)) == ["car"]


async def test_a_lookup_leaves_out_what_is_not_known(shop: Api) -> None:
    answer = await shop.http.post("/v1/videos/lookup", json={"video_ids": ["cat", "nothing", "car", "cat"]})
    assert answer.status_code == 200 and sorted(answer.json()["videos"]) == ["car", "cat"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"video_ids":7}', b'{"video_ids":["a"],"k":1}', b"\xff", b'{"video_ids":["\\ud800"]}', b"[" * 9999],
)
async def test_a_lookup_of_nonsense_is_refused(shop: Api, body: bytes) -> None:
    answer = await shop.http.post("/v1/videos/lookup", content=body)
    assert answer.status_code == 422 and answer.json()["detail"].startswith("The body is no lookup: "), answer.text


async def test_a_lookup_has_a_limit(shop: Api) -> None:
    answer = await shop.http.post("/v1/videos/lookup", json={"video_ids": ["cat"] * 201})
    assert answer.status_code == 422 and "200 are the most" in answer.json()["detail"]


async def test_a_search_answers_best_first_and_keeps_to_a_language(shop: Api) -> None:
    found = await got(shop, "/v1/search", q="pets", k=2)
    assert ids(found) == ["cat", "cat-2"] and found["complete"]
    assert found["items"][0] == {"video_id": "cat", "title": "cat", "score": 1.0, "by": "text"}
    assert ids(await got(shop, "/v1/search", q="pets", language="DE")) == ["cat-2"]
    assert ids(await got(shop, "/v1/search", q="pets", category="none such")) == []


@pytest.mark.parametrize("query", ["  ", "?!", "🐱"])
async def test_a_search_without_a_word_finds_nothing_and_says_why(shop: Api, query: str) -> None:
    found = await got(shop, "/v1/search", q=query)
    assert found["items"] == [] and found["note"].startswith("There is no word in the query")
    assert "note" not in await got(shop, "/v1/search", q="pets")
    assert (await got(shop, "/v1/users/ana/playlist", 422, theme=query))["detail"] == found["note"]


async def test_a_search_says_that_other_models_videos_are_missing(shop: Api) -> None:
    old = stored(shop, "cat-2", at_ms=NOON + 1)
    foreign = {name: replace(vector, encoder=f"{name}@fp32-0123456789abcdef") for name, vector in old.vectors.items()}
    shop.catalogue.state.apply_features([replace(old, vectors=foreign)])
    found = await got(shop, "/v1/search", q="pets")
    assert not found["complete"] and "cat-2" not in ids(found)
    shop.catalogue.state.apply_features([stored(shop, "cat-2", at_ms=NOON + 2)])
    found = await got(shop, "/v1/search", q="pets")
    assert found["complete"] and "cat-2" in ids(found)


async def test_similar_videos_leave_out_the_video_itself(shop: Api) -> None:
    assert ids(await got(shop, "/v1/videos/cat/similar", k=1)) == ["cat-2"]
    assert ids(await got(shop, "/v1/videos/cat/similar", by="text"))[0] == "cat-2"


async def test_similar_without_such_a_vector_says_which_there_are(shop: Api) -> None:
    problem = await got(shop, "/v1/videos/cat/similar", 409, by="audio")
    assert problem["detail"].startswith("'cat' has no audio vector of the present models; it has: fused, text.")
    assert "'smell' is not one of" in (await got(shop, "/v1/videos/cat/similar", 422, by="smell"))["detail"]


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/v1/videos/none", {}, 404),
        ("/v1/videos/none/similar", {}, 404),
        ("/v1/videos/none/playlist", {}, 404),
        ("/v1/videos/" + quote("\x00"), {}, 422),
        ("/v1/videos/" + "x" * 257, {}, 422),
        ("/v1/videos/%FF%FE", {}, 404),
        ("/v1/videos/%ED%A0%80", {}, 404),
        ("/v1/videos/" + quote("👻‮"), {}, 404),
        ("/v1/videos/cat/similar", {"k": 0}, 422),
        ("/v1/videos/cat/similar", {"k": 201}, 422),
        ("/v1/videos/cat/similar", {"k": "ten"}, 422),
        ("/v1/videos/cat/similar", {"k": ""}, 422),
        ("/v1/search", {}, 422),
        ("/v1/search", {"q": ""}, 422),
        ("/v1/search", {"q": "x" * 1001}, 422),
        ("/v1/search", {"q": "pets", "k": -1}, 422),
        ("/v1/search", {"q": "pets", "language": ["en"] * 21}, 422),
        ("/v1/trending", {"k": 10**30}, 422),
        ("/v1/users/nobody/profile", {}, 404),
        ("/v1/users/nobody/explain/cat", {}, 404),
        ("/v1/users/nobody/playlist", {}, 404),
        ("/v1/users/" + quote("\u0085") + "/profile", {}, 422),
    ],
)
async def test_a_bad_question_gets_a_sentence(shop: Api, path: str, params: dict[str, Any], status: int) -> None:
    problem = await got(shop, path, status, **params)
    assert problem["status"] == status and len(problem["detail"]) > 10


async def test_trending_shares_add_up_and_follow_the_people(shop: Api) -> None:
    assert await got(shop, "/v1/trending") == {"items": []}
    popular(shop, cat=3, car=1)
    found = await got(shop, "/v1/trending")
    assert ids(found) == ["cat", "car"]
    assert [one["share"] for one in found["items"]] == [0.75, 0.25]
    assert found["items"][0]["people"] == pytest.approx(3, abs=0.02)
    shop.catalogue.state.apply_features([withdrawn("cat", NOON + 1)])
    assert ids(await got(shop, "/v1/trending")) == ["car"]


async def test_what_was_read_before_its_video_counts_once_all_is_read(api: Api) -> None:
    popular(api, cat=3)
    api.catalogue.state.apply_features([stored(api, "cat")])
    api.catalogue.state.settle()
    assert (await got(api, "/v1/trending"))["items"][0]["share"] == 1.0


async def test_a_playlist_goes_on_from_a_video(shop: Api) -> None:
    found = await got(shop, "/v1/videos/cat/playlist", k=2)
    steps = [one["video"]["video_id"] for one in found["items"]]
    assert (
        steps[0] == "cat-2" and "cat" not in steps and found["items"][0]["interest"] == pytest.approx(0.981, abs=0.01)
    )


async def test_a_playlist_for_a_person_leaves_out_what_they_saw(shop: Api) -> None:
    steps = [one["video"]["video_id"] for one in (await got(shop, "/v1/users/ana/playlist"))["items"]]
    assert steps[0] == "cat-2" and "cat" not in steps
    themed = await got(shop, "/v1/users/nobody/playlist", theme="pets", k=1)
    assert themed["items"][0]["video"]["video_id"] == "cat"


async def test_a_profile_is_readable(shop: Api) -> None:
    shop.profiles["ana"] = after(
        skipped("ana", "car", NOON + 3), followed("ana", "cat", NOON + 4), state=shop.profiles["ana"]
    )
    found = await got(shop, "/v1/users/ana/profile")
    assert (found["user_id"], found["version"], found["newest_ms"]) == ("ana", 5, NOON + 4)
    assert found["events"] == {"follow": 1, "hide": 1, "like": 1, "skip": 1, "watch": 1}
    assert found["likes"] == [{"video_id": "cat", "title": "cat", "at_ms": NOON, "weight": 80}]
    assert found["watches"][0] == {"video_id": "gone", "at_ms": NOON + 1, "weight": 100}  # nothing is known of it
    assert found["hides"] == [{"video_id": "car", "title": "car", "at_ms": NOON + 2, "scope": "video"}]
    assert found["skips"][0]["video_id"] == "car" and found["follows"][0]["video_id"] == "cat"
    assert sum(one["exposures"] for one in found["surfaces"]) >= 1 and 0 < found["recent_rates"]["finish"] < 1


async def test_who_asked_to_be_forgotten_is_nobody(shop: Api) -> None:
    shop.catalogue.state.shared.erasures.add("ana", NOON + 10, NOON + 10)
    await got(shop, "/v1/users/ana/profile", 404)
    await got(shop, "/v1/users/ana/explain/cat", 404)
    await got(shop, "/v1/users/ana/playlist", 404)


async def test_an_explanation_says_what_became_of_a_video(shop: Api) -> None:
    seen = await got(shop, "/v1/users/ana/explain/cat")
    assert seen["summary"] == "cat was rejected by the filter unseen." and "cat" in seen["behind"][0]
    found = await got(shop, "/v1/users/ana/explain/cat-2")
    assert found["item"]["rank"] == 1 and found["sources"][0] == "near_recent"
    assert "is not in the catalogue" in (await got(shop, "/v1/users/ana/explain/none"))["summary"]


@pytest.mark.parametrize(
    "path", ["/v1/videos/cat", "/v1/search?q=pets", "/v1/trending", "/v1/users/ana/profile", "/v1/videos/cat/similar"]
)
async def test_while_the_catalogue_is_read_one_is_told_to_come_again(shop: Api, path: str) -> None:
    shop.catalogue.is_read = False
    answer = await shop.http.get(path)
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    assert answer.json()["detail"] == "The catalogue is being read."
    assert (await shop.http.get("/livez")).status_code == 200


async def test_answers_are_as_the_document_says(shop: Api) -> None:
    document = (await shop.http.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for name in ("VideoAnswer", "FoundVideos", "TrendingVideos", "PlaylistAnswer", "ProfileAnswer", "StatusAnswer"):
        assert schemas[name]["type"] == "object"
    text = msgspec.json.encode(document).decode()
    missing = [one for one in text.split('"#/components/schemas/')[1:] if one.split('"')[0] not in schemas]
    assert missing == []
