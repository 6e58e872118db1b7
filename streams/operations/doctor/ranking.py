"""What slates are made by and where the HTTP API keeps them: the feed, the files and the server that settings name."""

from collections.abc import Callable, Iterator

from ranker.feeds.load import VARIABLE, learned_of, ranking_of
from schemas.settings.load import SettingsError
from schemas.settings.model import Settings
from schemas.settings.plugins import load_function
from streams.operations.doctor.finding import Finding, fail, ok
from streams.ranking.sequence import sequence_of

PARTS: tuple[Callable[[Settings], object], ...] = (
    lambda settings: load_function(VARIABLE, settings.feed),
    ranking_of,
    learned_of,
    sequence_of,
)
ANSWER_S = 5.0
WITHOUT = "Start it, or leave FRESHET_SLATES_URL out: the slates are then kept below the data folder."


def check_ranking(settings: Settings) -> Iterator[Finding]:
    """The feed, its table, the parameters and the sequence model, each as a ranking agent would open it."""
    faults = []
    for look in PARTS:
        try:
            look(settings)
        except SettingsError as error:
            faults.append(fail("ranking", str(error), "Do what is said there; no ranking agent starts like this."))
    yield from faults
    if not faults:
        yield ok("ranking", f"slates are made by {settings.feed}, and what the settings name for it can be read")


def check_slates(settings: Settings) -> Iterator[Finding]:
    """Where the HTTP API keeps slates: below the data folder, or in a Redis that answers."""
    if not settings.slates_url:
        yield ok("slates", "the HTTP API keeps them below data_dir")
        return
    try:
        import redis  # an extra
    except ImportError:
        found = "FRESHET_SLATES_URL names a Redis, whose client is not installed"
        yield fail("slates", found, "pip install 'freshet[redis]'.")
        return
    try:
        with redis.Redis.from_url(settings.slates_url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S) as one:
            one.ping()
    except redis.RedisError as error:
        yield fail("slates", f"the Redis of FRESHET_SLATES_URL does not answer: {error}", WITHOUT)
    else:
        yield ok("slates", "the Redis of FRESHET_SLATES_URL answers")
