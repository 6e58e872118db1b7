"""The page behind a small server that keeps the contract of the API with made-up videos, and moves the slate at once.

A like moves videos of the same subject to the top; every event raises the version by one.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from streams.api.errors import install, problem
from streams.api.routers import page

SUBJECTS = {
    "cooking": ("Tomato soup on the table in half an hour", "A chef tastes five versions of apple pie"),
    "piano": ("Three ways to phrase a Schubert impromptu", "Left hand alone: a nocturne in slow motion"),
    "cats": ("A day in the life of my grandmother's Persian cat", "Why the kitten sleeps in the sink"),
    "gardening": ("Growing tulips in pots on a balcony", "Pruning the old pear tree"),
    "climbing": ("The crux pitch, filmed from below", "Five knots to know before you go"),
}
HOSTILE = "<img src=x onerror=alert(1)><b>bold</b>"  # a title as a stranger may write it
LABELS = {"safety:toxicity": 0.04, "image:ramen": 0.3, "topic:food": 0.7}
ITEMS = 20
SLOW_S = 0.03  # until a slate answers an event, as in life


@dataclass
class World:
    """What the server answers, and what it was asked."""

    token: str = ""
    catalogue_read: bool = True
    stream: bool = True
    closed: bool = False  # ends the streams
    unsure: bool = False  # the next feedback is written, and answered by 503
    events: list[dict[str, Any]] = field(default_factory=list)
    uploads: list[dict[str, Any]] = field(default_factory=list)
    media: dict[str, bytes] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    videos: dict[str, dict[str, Any]] = field(default_factory=dict)
    slates: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number in range(60):
            subject = [*SUBJECTS][number % len(SUBJECTS)]
            title = HOSTILE if number == 3 else f"{SUBJECTS[subject][number // 5 % 2]}, part {number // 10 + 1}"
            self.videos[f"v{number}"] = {
                "video_id": f"v{number}",
                "title": title,
                "tags": [subject],
                "labels": {f"topic:{subject}": 0.62},
                "creator_id": f"{subject}-by-hiro",
                "duration_ms": 15_000 + 1000 * number,
                "modalities": ["text"],
                "state": "active",
            }

    def slate(self, user: str) -> dict[str, Any]:
        """The person's slate as it is now."""
        return self.slates.get(user) or self.rank(user, 0, None)

    def rank(self, user: str, version: int, trigger: dict[str, Any] | None) -> dict[str, Any]:
        """A slate by what the person did: liked subjects first, what they met not at all."""
        mine = [event for event in self.events if event["user_id"] == user]
        met = {event.get("video_id") for event in mine}
        liked = {event["video_id"]: self.subject(event["video_id"]) for event in mine if event["kind"] == "like"}
        unseen = [video for video in self.videos if video not in met]
        ranked = sorted(unseen or self.videos, key=lambda video: self.subject(video) not in liked.values())[:ITEMS]
        slate = {
            "schema_version": "1.0",
            "recommendation_id": f"slate-{user}-{version}",
            "user_id": user,
            "version": version,
            "generated_at_ms": now_ms(),
            "expires_at_ms": now_ms() + 1_800_000,
            "trigger": trigger,
            "models": {"ranker": "home@1", "policy": "home@7"},
            "timings_ms": {"total": 4.2},
            "degraded": [] if unseen else ["unseen"],
            "exhausted": False,
            "items": [self.item(video, rank, liked) for rank, video in enumerate(ranked, 1)],
        }
        self.slates[user] = slate
        return slate

    def item(self, video: str, rank: int, liked: dict[str, str]) -> dict[str, Any]:
        """One place of a slate."""
        near = next((one for one, subject in liked.items() if subject == self.subject(video)), None)
        similar = {"code": "similar_to", "weight": 0.62, "video_id": near}
        reasons = [similar] if near else [{"code": "trending", "weight": 0.7}, {"code": "popular", "weight": 0.3}]
        return {
            "rank": rank,
            "video_id": video,
            "score": round(1 / rank, 4),
            "p": {"finish": 0.61, "like": 0.12, "skip": 0.08},
            "propensity": 1.0,
            "sources": ["near_recent"] if near else ["trending", "popular"],
            "reasons": reasons,
        }

    def subject(self, video: str) -> str:
        """What a video is about."""
        return str((self.videos.get(video, {}).get("tags") or ["?"])[0])


def now_ms() -> int:
    """The time as messages have it."""
    return int(time.time() * 1000)


def build(world: World) -> FastAPI:
    """The application over a world that a test may look at and change."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    install(app)
    app.include_router(page.router)
    add_slates(app, world)
    add_catalogue(app, world)
    add_operations(app, world)

    @app.middleware("http")
    async def check(request: Request, call_next: Any) -> Response:
        if request.url.path.startswith("/v1/"):
            given = request.headers.get("Authorization", "").removeprefix("Bearer ") or request.cookies.get(
                "freshet_token"
            )
            if world.token and given != world.token:
                return problem(401, "This API asks for a token.")
            if not world.catalogue_read:
                return problem(503, "The catalogue is being read.")
        response: Response = await call_next(request)
        return response

    return app


def add_slates(app: FastAPI, world: World) -> None:
    """Slates, their stream, and feedback."""

    def answer(user: str, reflects: bool = True) -> dict[str, Any]:
        slate = world.slate(user)
        return {"slate": slate, "reflects": reflects, "cold": slate["version"] == 0, "age_ms": 1}

    @app.get("/v1/users/{user}/slate")
    async def slate(user: str) -> dict[str, Any]:
        return answer(user)

    @app.get("/v1/users/{user}/slates")
    async def slates(user: str) -> Response:
        if not world.stream:
            return problem(503, "No stream here.")

        async def events() -> AsyncIterator[str]:
            sent = -1
            while not world.closed:
                if world.slate(user)["version"] != sent:
                    sent = world.slate(user)["version"]
                    yield f"event: slate\ndata: {json.dumps(answer(user))}\n\n"
                await asyncio.sleep(0.005)

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.post("/v1/feedback")
    async def feedback(events: list[dict[str, Any]]) -> Any:
        results, unsure, world.unsure = [], world.unsure, False
        for event in events:
            world.events.append(event)
            place, user = {"partition": 0, "offset": len(world.events) - 1}, event["user_id"]
            trigger = {"topic": "freshet.feedback.v1", **place, **{key: event[key] for key in ("event_id", "at_ms")}}
            version = world.slate(user)["version"] + 1
            asyncio.get_running_loop().call_later(SLOW_S, world.rank, user, version, trigger)
            results.append({"status": "accepted", **place})
        return problem(503, "The broker did not confirm it.") if unsure else {"results": results}

    @app.get("/v1/users/{user}/explain/{video}")
    async def explain(user: str, video: str) -> dict[str, Any]:
        return {"summary": f"{video} is on the slate of {user}: trending proposed it."}

    @app.get("/v1/users/{user}/profile")
    async def profile(user: str) -> Any:
        mine = [event for event in world.events if event["user_id"] == user]
        if not mine:
            return problem(404, "Nobody knows them.")
        return {"user_id": user, "likes": [{"video_id": one["video_id"], "at_ms": one["at_ms"]} for one in mine]}

    @app.delete("/v1/users/{user}", status_code=202)
    async def erase(user: str) -> dict[str, int]:
        world.erased.append(user)
        return {"partition": 0, "offset": len(world.erased) - 1}


def add_catalogue(app: FastAPI, world: World) -> None:
    """Videos, lists of them, uploads and media."""

    @app.post("/v1/videos/lookup")
    async def lookup(asked: dict[str, list[str]]) -> dict[str, Any]:
        return {"videos": {video: world.videos[video] for video in asked["video_ids"] if video in world.videos}}

    @app.get("/v1/videos/{video}")
    async def known(video: str) -> Any:
        return world.videos.get(video) or problem(404, "No such video.")

    def found(videos: list[str]) -> dict[str, Any]:
        items = [
            {"video_id": one, "score": 0.9 - 0.01 * at, "share": 0.2 / (at + 1), "title": world.videos[one]["title"]}
            for at, one in enumerate(videos)
        ]
        return {"items": items, "complete": True}

    @app.get("/v1/videos/{video}/similar")
    async def similar(video: str) -> dict[str, Any]:
        return found([one for one in world.videos if world.subject(one) == world.subject(video) and one != video][:12])

    @app.get("/v1/search")
    async def search(q: str) -> dict[str, Any]:
        if not any(map(str.isalpha, q)):
            return {**found([]), "note": "There is no word in the query."}
        return found([one for one, video in world.videos.items() if q.lower() in video["title"].lower()][:24])

    @app.get("/v1/trending")
    async def trending() -> dict[str, Any]:
        return found([*world.videos][:12])

    @app.post("/v1/videos", status_code=202)
    async def upload(video: dict[str, Any]) -> dict[str, int]:
        world.uploads.append(video)
        world.videos[video["video_id"]] = {"labels": LABELS, "modalities": ["text"], **video}
        return {"partition": 0, "offset": len(world.uploads) - 1}

    @app.put("/v1/media/{name}", status_code=201)
    async def put(name: str, request: Request) -> dict[str, str]:
        world.media[name] = await request.body()
        return {"media_uri": name}

    @app.get("/v1/media/{name}")
    async def media(name: str) -> Response:
        return Response(world.media[name]) if name in world.media else problem(404, "No such file.")


def add_operations(app: FastAPI, world: World) -> None:
    """The operator's view."""

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.get("/v1/status")
    async def status() -> dict[str, Any]:
        agents = ("profiles", "encoder", "ranker", "learner")
        bounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]
        return {
            "workers": [
                {"agent": agent, "pid": 100 + at, "state": "ready", "at_ms": now_ms(), "lag": {"t[0]": 3 * at}}
                for at, agent in enumerate(agents)
            ],
            "dead_letters": {"schema": 12, "unknown_video": 5, "late": 2},
            "rates": {"feedback.v1": 211 + time.time() % 40, "recommendations.v1": 207 + time.time() % 30},
            "latency_ms": {
                "p50": 38.0,
                "p99": 180.0,
                "histogram": [*zip(bounds, (0, 0, 4, 44, 364, 1264, 1524, 1584, 1596, 1598, 1598), strict=True)],
            },
            "model": {
                "ranker": "home@1",
                "policy": "home@7",
                "encoder": "minilm@3",
                "quality": {"auc_finish": 0.7 + time.time() % 40 / 1000, "calibration_finish": 1.02, "diversity": 0.58},
            },
        }

    @app.get("/v1/dead-letters")
    async def letters(reason: str) -> dict[str, Any]:
        one = {"topic": "freshet.feedback.v1", "place": "[0]@17", "reason": reason, "attempts": 1}
        letter = {**one, "detail": "at_ms is missing", "written_ms": now_ms() - 90_000, "value": HOSTILE}
        return {"dead_letters": [letter], "complete": True}


@contextmanager
def serving(world: World) -> Iterator[str]:
    """The address of the application while it runs in a thread."""
    config = uvicorn.Config(build(world), host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        world.closed = server.should_exit = True
        thread.join(10)
