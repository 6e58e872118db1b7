"""What is known of a person: their newest profile, and how it is shown."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from ranker.profile.codec import ProfileError
from ranker.profile.history import HiddenItem, Interaction
from ranker.profile.model import Profile, seen_codes
from schemas.settings.model import Settings
from streams.api.catalogue.messages import ProfileAnswer, RememberedVideo, SurfaceAnswer
from streams.api.catalogue.state import CatalogueState
from streams.api.errors import ProblemError
from streams.errors import OperatorError
from streams.operations.snapshot import stored_profile

LIMIT_S = 10.0  # of one reading
READINGS = 2  # at a time: each may read a partition of profiles.v1


class Profiles(Protocol):
    """Finds a person's newest profile."""

    async def newest(self, user_id: str) -> Profile | None:
        """The profile; None where nothing is known, or the person was erased."""


class ProfileReader:
    """Reads it from the person's partition of profiles.v1, within a time limit."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._readings = settings, asyncio.Semaphore(READINGS)

    async def newest(self, user_id: str) -> Profile | None:
        """The profile; a ProblemError of 503 where it could not be read in time."""
        try:
            async with asyncio.timeout(LIMIT_S), self._readings:
                return await stored_profile(self._settings, user_id)
        except TimeoutError:
            raise ProblemError(503, f"The profile was not read within {LIMIT_S:g} s; try again.") from None
        except OperatorError as error:
            raise ProblemError(503, str(error)) from error
        except ProfileError as error:
            raise ProblemError(500, f"What is stored of this person is damaged: {error}.") from error


def not_erased(state: CatalogueState, user_id: str, profile: Profile | None) -> Profile | None:
    """The profile, unless the person asked to be forgotten since."""
    origin = profile and profile.origin
    return None if origin and state.shared.erasures.refuses(user_id, origin.at_ms) else profile


def known_profile(state: CatalogueState, user_id: str, profile: Profile | None) -> Profile:
    """The profile; a ProblemError of 404 where there is none, or the person asked to be forgotten since."""
    known = not_erased(state, user_id, profile)
    if known is None:
        raise ProblemError(
            404, f"Nothing is known of {user_id!r}: no event of theirs was accepted, or they were erased."
        )
    return known


def readable(state: CatalogueState, user_id: str, profile: Profile) -> ProfileAnswer:
    """A profile for people: what was done, newest first, with the videos' titles, and the counters' summary."""
    counters = profile.counters
    rates = {"finish": counters.finish_rate, "like": counters.like_rate, "skip": counters.skip_rate}
    return ProfileAnswer(
        user_id=user_id,
        version=profile.version,
        newest_ms=profile.newest_ms,
        events=dict(sorted(profile.counts.items())),
        watches=_remembered(state, profile.watches),
        likes=_remembered(state, profile.likes),
        skips=_remembered(state, profile.skips),
        follows=_remembered(state, profile.follows),
        hides=_remembered(state, profile.hides),
        seen=len(seen_codes(profile)),
        recent_rates={name: round(rate, 4) for name, rate in rates.items()},
        surfaces=[
            SurfaceAnswer(one.surface, one.exposures, one.finished, one.liked, one.skipped)
            for one in reversed(counters.surfaces)
        ],
    )


def _remembered(state: CatalogueState, marks: Sequence[Interaction | HiddenItem]) -> list[RememberedVideo]:
    return [
        RememberedVideo(
            video_id=one.video_id,
            at_ms=one.at_ms,
            title=found.title if (found := state.library.videos.get(one.video_id)) else None,
            weight=one.weight if isinstance(one, Interaction) else None,
            scope=one.scope if isinstance(one, HiddenItem) else None,
        )
        for one in reversed(marks)
    ]
