"""What the routes work with: opened when the application starts, closed when it ends, and handed in by tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, Protocol

from fastapi import Depends, Request

from schemas.settings.model import Settings
from schemas.topics import Topic
from streams.api.slate_store import SlateStore
from streams.kafka.confirmed_producer import Outgoing


class Written(NamedTuple):
    """Where a record is, as its delivery report said."""

    partition: int
    offset: int


class Publisher(Protocol):
    """Publishes records by their keys."""

    async def partitions(self, topic: Topic) -> int:
        """How many partitions a topic has; a ProblemError of 503 where the broker does not say."""

    async def publish(self, topic: Topic, records: Sequence[Outgoing]) -> list[Written]:
        """Where each record is, once all are confirmed; a ProblemError of 503 where one is not."""


class ColdSlates(Protocol):
    """Slates for people without a usable one of their own."""

    async def slate(self, user_id: str, now_ms: int) -> bytes | None:
        """A message of recommendations.v1; None where none can be made yet."""


class NoColdSlates:
    """Makes none."""

    async def slate(self, user_id: str, now_ms: int) -> bytes | None:
        """No slate."""
        return None


class Waiters(Protocol):
    """Whoever waits for a person's next slate."""


@dataclass
class Services:
    """What the routes work with, one field for each."""

    settings: Settings
    slates: SlateStore
    publisher: Publisher
    cold: ColdSlates


def services_of(request: Request) -> Services:
    """The services of the application that answers a request."""
    services: Services = request.app.state.services
    return services


Opened = Annotated[Services, Depends(services_of)]
