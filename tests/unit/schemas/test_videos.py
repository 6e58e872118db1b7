"""Uploads and features: what decodes, what does not, and with which sentence."""

import json

import msgspec
import pytest

from schemas.messages import videos
from schemas.messages.fields import DAY_MS
from tests.support.events import NOON

UPLOAD = {"kind": "upload", "video_id": "v1", "at_ms": NOON, "title": "Street food"}
# As clients were told; these may never stop decoding.
UPLOAD_OF_THE_CONTRACT = b"""{"kind":"upload","video_id":"v7","creator_id":"c3","at_ms":1650800000000,
 "title":"Street food in Osaka","description":"...","tags":["food","japan"],"category":"travel","language":"en",
 "duration_ms":21000,"media_uri":"https://media.example/v7.mp4","thumbnail_uri":null,"music_id":"m11"}"""


def message(base, **change):
    """A message with some fields changed; a field that is `...` is left out."""
    return json.dumps({name: value for name, value in {**base, **change}.items() if value is not ...}).encode()


def holds(decoded, data: bytes) -> bool:
    """Say whether every field of a message was read."""
    fields = json.loads(data)
    return fields.pop("kind") == decoded.__struct_config__.tag and all(
        getattr(decoded, name) == value for name, value in fields.items()
    )


def refusal(decode, data: bytes) -> str:
    with pytest.raises(msgspec.ValidationError) as refused:
        decode(data)
    return str(refused.value)


def test_the_upload_of_the_contract_decodes_whole():
    upload = videos.decode(UPLOAD_OF_THE_CONTRACT)
    assert holds(upload, UPLOAD_OF_THE_CONTRACT)
    assert videos.decode(videos.encode(upload)) == upload


def test_a_withdrawal_decodes_with_and_without_a_reason():
    assert videos.decode(message(UPLOAD, kind="withdraw", reason="copyright")).reason == "copyright"
    assert videos.decode(message(UPLOAD, kind="withdraw")).reason == ""


@pytest.mark.parametrize(
    "says", [{"title": "t"}, {"description": "d"}, {"tags": ["cats"]}, {"media_uri": "m"}, {"thumbnail_uri": "t"}]
)
def test_an_upload_with_one_modality_is_enough(says):
    assert videos.why_not_an_upload(videos.decode(message({**UPLOAD, "title": ...}, **says))) is None


@pytest.mark.parametrize("says", [{}, {"title": ""}, {"tags": []}, {"category": "travel", "duration_ms": 5}])
def test_an_upload_that_says_nothing_is_named(says):
    upload = videos.decode(message({**UPLOAD, "title": ...}, **says))
    assert videos.why_not_an_upload(upload) == (
        "$ needs at least one of title, description, tags, media_uri, thumbnail_uri"
    )


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"kind": "encoded"}, "$.kind"),
        ({"video_id": ""}, "$.video_id"),
        ({"at_ms": NOON // 1000}, "$.at_ms"),
        ({"tags": "cats"}, "$.tags"),
        ({"tags": ["cats", 1]}, "$.tags[1]"),
        ({"tags": ["t"] * 101}, "$.tags"),
        ({"title": "x" * 100_001}, "$.title"),
        ({"duration_ms": DAY_MS + 1}, "$.duration_ms"),
    ],
)
def test_a_wrong_field_of_an_upload_is_named(change, place):
    assert refusal(videos.decode, message(UPLOAD, **change)).endswith(f"at `{place}`")


def test_features_carry_vectors_as_base64_and_come_back():
    vector = videos.Vector(dim=1, encoder="text@1", data=b"\0\0\x80?")
    video = videos.Encoded(video_id="v1", at_ms=NOON, vectors={"retrieval": vector}, labels={"cat": 0.5})
    written = videos.encode(video)
    assert json.loads(written)["vectors"]["retrieval"]["data"] == "AACAPw=="
    assert videos.decode_features(written) == video
    assert refusal(videos.decode_features, written.replace(b"AACAPw==", b"AAC!")).startswith("Invalid base64")


def test_features_of_a_withdrawn_video_say_so():
    gone = videos.Withdrawn(video_id="v1", at_ms=NOON)
    assert videos.decode_features(videos.encode(gone)) == gone


def test_an_upload_is_no_feature():
    assert refusal(videos.decode_features, message(UPLOAD)).endswith("at `$.kind`")
