"""An example of every message, as it stands in the schemas, in the AsyncAPI document and on the pages of the docs.

One person, u42, and a few videos, so that the examples of one topic refer to those of another.
"""

from typing import Any

import msgspec

from schemas import topics
from schemas.messages.dead_letters import Handled, Reason
from schemas.messages.erasures import Erasure, ErasureMarker
from schemas.messages.feedback import (
    Comment,
    Follow,
    Hide,
    Impression,
    Like,
    Rate,
    Save,
    Search,
    Shared,
    Skip,
    Watch,
)
from schemas.messages.recommendations import (
    SLATE_LIFE_MS,
    SOURCE_OFFSET,
    SOURCE_TOPIC_ID,
    Because,
    Item,
    Recommendation,
    Trigger,
    recommendation_id,
)
from schemas.messages.trends import Trends
from schemas.messages.videos import Encoded, Upload, Vector, Withdraw, Withdrawn
from schemas.topics import Topic

USER, VERSION = "u42", 1842
AT_MS = 1_764_144_000_000
SLATE = recommendation_id(USER, VERSION)

WATCHED = Watch(
    user_id=USER,
    video_id="v7",
    at_ms=AT_MS,
    event_id="e-81723",
    watched_ms=18_250,
    duration_ms=21_000,
    recommendation_id=recommendation_id(USER, VERSION - 1),
    rank=3,
    session_id="s9",
    surface="feed",
    country="DE",
    utc_offset_min=60,
)
ANSWER = Recommendation(
    schema_version="1.0",
    recommendation_id=SLATE,
    user_id=USER,
    version=VERSION,
    generated_at_ms=AT_MS + 210,
    expires_at_ms=AT_MS + SLATE_LIFE_MS,
    trigger=Trigger("e-81723", "freshet.feedback.v1", 3, 991, AT_MS),
    models={"ranker": "weighted-sum@1", "encoder": "fused@3", "policy": "home@1"},
    timings_ms={"queued": 4.1, "retrieve": 2.3, "score": 1.9, "select": 0.4, "total": 8.7},
    degraded=[],
    items=[
        Item(
            rank=1,
            video_id="v9",
            score=0.8312,
            p={"finish": 0.61, "like": 0.12, "skip": 0.08},
            propensity=1.0,
            sources=["near_recent", "trending"],
            reasons=[Because("similar_to", 0.41, "v3"), Because("trending", 0.22)],
        ),
        Item(
            rank=2,
            video_id="v11",
            score=0.5,
            p={"finish": 0.3, "like": 0.05, "skip": 0.2},
            propensity=0.04,
            sources=["fresh"],
            reasons=[Because("explore", 1.0)],
        ),
    ],
    exhausted=False,
)
EXAMPLES: tuple[msgspec.Struct, ...] = (
    WATCHED,
    Like(user_id=USER, video_id="v7", at_ms=AT_MS, event_id="e-81724", recommendation_id=SLATE, rank=1),
    Skip(user_id=USER, video_id="v8", at_ms=AT_MS, watched_ms=900, recommendation_id=SLATE, rank=2),
    Impression(user_id=USER, video_id="v9", at_ms=AT_MS, recommendation_id=SLATE, rank=1, ranks=[1, 2, 3]),
    Shared(user_id=USER, video_id="v7", at_ms=AT_MS),
    Comment(user_id=USER, video_id="v7", at_ms=AT_MS),
    Save(user_id=USER, video_id="v7", at_ms=AT_MS),
    Follow(user_id=USER, video_id="v7", at_ms=AT_MS),
    Rate(user_id=USER, video_id="v7", at_ms=AT_MS, value=0.8),
    Hide(user_id=USER, video_id="v8", at_ms=AT_MS, scope="creator"),
    Search(user_id=USER, at_ms=AT_MS, query="cats that fall off sofas"),
    Upload(
        video_id="v7",
        creator_id="c3",
        at_ms=AT_MS - 86_400_000,
        title="Street food in Osaka",
        description="Takoyaki by night",
        tags=["food", "japan"],
        category="travel",
        language="en",
        duration_ms=21_000,
        media_uri="https://media.example/v7.mp4",
        music_id="m11",
    ),
    Withdraw(video_id="v7", at_ms=AT_MS, reason="copyright"),
    Encoded(
        video_id="v7",
        at_ms=AT_MS - 86_400_000,
        creator_id="c3",
        title="Street food in Osaka",
        tags=["food", "japan"],
        language="en",
        duration_ms=21_000,
        vectors={"retrieval": Vector(2, "fused@3", bytes.fromhex("9a99193fcdcc4c3f"))},
        labels={"topic:food": 0.52},
        source={"partition": 2, "offset": 17},
    ),
    Withdrawn(video_id="v7", at_ms=AT_MS, reason="copyright"),
    Trends(partition=0, tick=AT_MS // 1000, period=5104, counts={"v7": (1024, 512, 40)}, applied={0: 991}),
    ANSWER,
    Erasure(user_id=USER, at_ms=AT_MS),
    ErasureMarker(at_ms=AT_MS, version=1_001_843),
    Handled(partition=3, offset=17, written_ms=AT_MS + 40, reason="range", done="discarded"),
)
# Values that are not JSON: MessagePack as base64, and the original bytes of a dead letter as text.
VALUE_EXAMPLES: dict[Topic, Any] = {
    topics.PROFILES: (
        "naJwMQHPAAABmr8tLACVp2UtODE3MjOzZnJlc2hldC5mZWVkYmFjay52MQPNA9/PAAABmr8tLACBA80D35GTonY3zwAAAZq/"
        "LSwAZJCQkJDEBIBpAYDECI6Thli2k05AgaV3YXRjaAE="
    ),
    topics.EVENT_IDS: (
        "lKJpMcyAzwAAAZq/LSwAxQIA5/oJ/0UFVesxc4ZJS/ENnwcGxYFJTFg+ykVyJvKIrDN2aa/iL9ilY+NDTxz7BRV5ssrI1hdS"
        "wufvGGE+x1OCQrLpJYBQ97nhVrun3eq32Iz3JEKazKTlrENfVwY05X+//iRZJQNA0Jy7BzYC71HNyNeLtf01CFbgKDFEB1Y+"
        "rq3NooMgVuwP3m/+i9NeLHQYJ1fhQd/woxe0hcKdtm8J3axTQH050wbtcYVSkM95iZSDDmqHVjW/mR9OK2q8Fte4tn+CLlBY"
        "63gVHiF18J4KYdejG5DV3fdYh/9X40FSc77dwuqowBoIro24STDj4t859piS5d65PzOGXviuX0I7IQq0glHTTvyxcjBNECHa"
        "OsYq0Wr2AWPy2fIcxoq/o9FQa7xJDZBiNSYrkA9nCCN/errgfvq8YaEV2Ce8quZ3epeKcvInUERHni095VrMhKhCSV4NXIcn"
        "s1SVCfmNErTSn6EHBYWp2TYDz1Xa1SlQKCNt05+pLF9RHh3k0H1NXsGa4YKknls/J4vvn9/8QovfofiYS/aDQCpkc7+GIEmt"
        "M9ITlTDh77MpU8gpdrv52MHKiwS/Yf/GkcXjA4S62xJQHK9msD9o/nIhqybHqDNF5N7zQ+PkR7JOx41FxJFtuJpz66DcWM7N"
        "aWYXjFTQTg1IGTRNwy69ZhnHot0rYFor6jI="
    ),
    topics.EXAMPLES: "kgCRlwCnY29vay0wMM8AAAGAK6n0AAHDpGZlZWSXAAAAywAAAAAAAAAAywAAAAAAAAAAywAAAAAAAAAAkA==",
    topics.WEIGHTS: (
        "k5j/AAECAwQGB5igpGZlZWSmNSBmZWVkpzExIGZlZWSkY29va6lieS1jb29rLTCnY29vay0wMKxjb29rLTAwIGZlZWTFAoAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AE6AAGRco7s/4mkhV9eSgb/b6AeErSnHvyx6UtB62Q5A8WyQcQO63z+I/py3ibULQAAAAAAAAPA/AAAAAAAA8D8AAAAAAAAAAAAA"
        "AAAAAAAAPwCa6UkcZj83djVYJR5MvxaHOQO+h3K/SaYBqLWTuT8eb4ZGAJSpP++obnmhg7k/AAAAAAAA8D8AAAAAAADwPwAAAAAA"
        "AAAAAAAAAAAAAAA+ZrCfLQYGQOJpIVfXkoG/EuMJ5Rj07L9AtF/pDPogQPFskHEDut8/nm0qdzldGkAAAAAAAADwPwAAAAAAAPA/"
        "AAAAAAAAAAAAAAAAAAAAAD8AmulJHJY/N3Y1WCUenL8WhzkDvoeiv8YatWulatk/A/O4DuLo6D92VrbLM+zYPwAAAAAAAABAAAAA"
        "AAAAAEAAAAAAAAAAAAAAAAAAAAAAPwCa6UkcZj9fK5FGhH5GvxaHOQO+h3K/SaYBqLWTuT8XxsrzS3ekP++obnmhg7k/AAAAAAAA"
        "8D8AAAAAAADwPwAAAAAAAAAAAAAAAAAAAAA/AJrpSRxmP18rkUaEfja/Foc5A76Hcr9JpgGotZO5P0ltvJ0WeZQ/76hueaGDuT8A"
        "AAAAAADwPwAAAAAAAPA/AAAAAAAAAAAAAAAAAAAAAD8AmulJHFY/XyuRRoR+Jr8WhzkDvodiv/GfzaCnlqk/4kC18vt5hD9EIYSJ"
        "nY6pPwAAAAAAAPA/AAAAAAAA8D8AAAAAAAAAAAAAAAAAAAAA"
    ),
    topics.DEAD_LETTERS: '{"kind":"watch","user_id":"u42","video_id":"v7","at_ms":1764144000000,"watched_ms":-1}',
}
HEADER_EXAMPLES: dict[Topic, dict[str, str]] = {
    topics.DEAD_LETTERS: {
        "reason": Reason.RANGE,
        "detail": "Expected `int` >= 0 - at `$.watched_ms`",
        "topic": "freshet.feedback.v1",
        "partition": "3",
        "offset": "992",
        "at_ms": "1764144000500",
        "attempts": "1",
        "freshet_version": "0.1.0",
    },
    topics.RECOMMENDATIONS: {SOURCE_OFFSET: "20417", SOURCE_TOPIC_ID: "TNeFMLCBRpuqTXtBGyYTgw"},
}
