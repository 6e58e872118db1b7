"""What the playground asks of the HTTP API; it has no other way in, as a person's browser has none."""

import time
from collections.abc import Sequence
from threading import Event
from typing import Self

import httpx
import msgspec

from schemas.messages import feedback
from schemas.messages.feedback import Feedback
from schemas.messages.recommendations import Recommendation
from streams.errors import OperatorError

ANSWER_S = 60.0  # the first search opens the text encoder
GIVES_UP_S = 120.0  # without an answer that can be used; a guess
RETRY_S = 0.2
ENCODER = "encoder"
NOT_NOW = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.NOT_FOUND)  # the catalogue is being read; nothing in it yet


class StoppedError(Exception):
    """The playground ends."""


class SlateAnswer(msgspec.Struct):
    """A person's slate, as `GET /v1/users/{user_id}/slate` answers it."""

    slate: Recommendation
    reflects: bool
    cold: bool


class Verdict(msgspec.Struct):
    """What became of one event."""

    status: str
    partition: int = -1
    offset: int = -1

    @property
    def place(self) -> str:
        """As `after=` takes it."""
        return f"{self.partition}:{self.offset}"


class _Verdicts(msgspec.Struct):
    results: list[Verdict]


class _Catalogue(msgspec.Struct):
    videos: int


class _Worker(msgspec.Struct):
    agent: str
    state: str


class _Status(msgspec.Struct):
    catalogue: _Catalogue
    workers: list[_Worker] = []

    @property
    def is_encoding(self) -> bool:
        return any(worker.agent == ENCODER and worker.state == "ready" for worker in self.workers)


class ApiClient:
    """A client of one API, which waits while that starts, or starts again; not to be shared among threads."""

    def __init__(self, base: str, stopped: Event, transport: httpx.BaseTransport | None = None) -> None:
        self.base, self._stopped = base, stopped
        self._http = httpx.Client(base_url=base, timeout=ANSWER_S, transport=transport, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> httpx.Response:
        """An answer that is there."""
        return self._answered(self._http.build_request("GET", path, params=query))

    def publish(self, events: Sequence[Feedback]) -> list[Verdict]:
        """Publish what a person did."""
        return self.publish_lines([feedback.encode(event) for event in events])

    def publish_lines(self, lines: Sequence[bytes]) -> list[Verdict]:
        """The same of encoded events; OperatorError where one is rejected: those of the playground are all good."""
        body = b"[" + b",".join(lines) + b"]"
        answer = self._answered(self._http.build_request("POST", "/v1/feedback", content=body))
        verdicts = msgspec.json.decode(answer.content, type=_Verdicts).results
        if any(verdict.status != "accepted" for verdict in verdicts):
            raise OperatorError(f"The HTTP API rejected an event: {answer.text[:300]}.", "Its log says more.")
        return verdicts

    def upload(self, line: bytes) -> None:
        """Publish an encoded upload."""
        self._answered(self._http.build_request("POST", "/v1/videos", content=line))

    def slate(self, user_id: str, after: str = "", wait_ms: int = 0) -> SlateAnswer:
        """A person's slate, with `after` one that reflects the event there, if there is one in time."""
        query: dict[str, str | int] = {"after": after, "wait_ms": wait_ms} if after else {}
        return msgspec.json.decode(self.get(f"/v1/users/{user_id}/slate", **query).content, type=SlateAnswer)

    def videos(self) -> tuple[int, bool]:
        """How many videos the catalogue has, and whether the encoding agent is ready to add some."""
        status = msgspec.json.decode(self.get("/v1/status").content, type=_Status)
        return status.catalogue.videos, status.is_encoding

    def _answered(self, request: httpx.Request) -> httpx.Response:
        """The answer, asked for again while there is none yet: events and uploads have ids, and count once."""
        gives_up_s, trouble = time.monotonic() + GIVES_UP_S, ""
        while time.monotonic() < gives_up_s:
            if self._stopped.is_set():
                raise StoppedError
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                trouble = f"{error}"
            else:
                if answer.is_success:
                    return answer
                trouble = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code not in NOT_NOW:
                    break
            self._stopped.wait(RETRY_S)
        raise OperatorError(f"{request.method} {request.url} is not answered: {trouble}.", "agents.log says more.")
