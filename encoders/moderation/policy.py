"""The safety gate: what pictures and words are scored for, and from which score on a video is limited or dropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from encoders.base import Content
from encoders.modalities.image import Frames
from encoders.models.session import Provider
from encoders.moderation.nudity import LABELS, NudityDetector
from encoders.moderation.toxicity import Toxicity
from schemas.messages.fields import DAY_MS, YEAR_2100_MS

KIND = "safety:"
LIMITED = KIND + "limited"  # the label of a video that only those are shown who follow its creator
LOOKED_AT = 2  # pictures of a video, evenly spread: the detector costs 40 ms for each
UNFIT = tuple(
    LABELS.index(f"{part}_EXPOSED")
    for part in ("FEMALE_GENITALIA", "MALE_GENITALIA", "FEMALE_BREAST", "ANUS", "BUTTOCKS")
)


class Thresholds(NamedTuple):
    """From which score on a video is limited, and from which on it is dropped."""

    limit: float
    drop: float


GATE = {  # guesses: neither model was judged on real uploads, so read `freshet review` before trusting them
    "nudity": Thresholds(0.45, 0.75),
    "toxicity": Thresholds(0.80, 0.98),
}


class Verdict(Enum):
    """What becomes of a video."""

    ALLOW = "allow"
    LIMIT = "limit"
    DROP = "drop"


class Judged(NamedTuple):
    """The verdict on one video, its scores by what they are for, and the reason in words."""

    verdict: Verdict
    scores: dict[str, float]
    reason: str = ""


def judged(scores: Mapping[str, float], gate: Mapping[str, Thresholds] = GATE) -> Judged:
    """The strictest verdict of any score; the reason names the score that led to it.

    >>> judged({"nudity": 0.5, "toxicity": 0.1})
    Judged(verdict=<Verdict.LIMIT: 'limit'>, scores={'nudity': 0.5, 'toxicity': 0.1}, reason='nudity 0.50')
    """
    for verdict in (Verdict.DROP, Verdict.LIMIT):
        for name, score in sorted(scores.items(), key=lambda one: (-one[1], one[0])):
            if name in gate and score >= getattr(gate[name], verdict.value):
                return Judged(verdict, dict(scores), f"{name} {score:.2f}")
    return Judged(Verdict.ALLOW, dict(scores))


def labels_of(judgement: Judged) -> dict[str, float]:
    """What the catalogue keeps of a judgement: its scores, and whether the video is limited."""
    scores = {KIND + name: round(score, 3) for name, score in judgement.scores.items() if score >= 0.01}
    return scores | ({LIMITED: 1.0} if judgement.verdict is Verdict.LIMIT else {})


def expiry_of(judgement: Judged, at_ms: int, limit_days: int) -> dict[str, int]:
    """From which event time on the label of a limited upload of this time no longer counts; empty: it always does.

    An expiry that no message may carry, after the beginning of 2100, is none.

    >>> expiry_of(judged({"nudity": 0.5}), 1_650_000_000_000, 2), expiry_of(judged({}), 1_650_000_000_000, 2)
    ({'safety:limited': 1650172800000}, {})
    """
    until_ms = at_ms + limit_days * DAY_MS
    limited = judgement.verdict is Verdict.LIMIT and at_ms < until_ms <= YEAR_2100_MS
    return {LIMITED: until_ms} if limited else {}


@dataclass(frozen=True, eq=False)
class Safety:
    """The models that score a video, and the gate behind them; add a score here and its thresholds to the gate."""

    nudity: NudityDetector | None  # None: pictures are not looked at
    toxicity: Toxicity
    gate: Mapping[str, Thresholds]
    limit_days: int = 0  # how long an upload stays limited, from its own time on; 0: for good

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        nudity: bool = False,
        limit_days: int = 0,
        provider: Provider = "auto",
        threads: int = 1,
    ) -> "Safety":
        """Open the models of a folder; raises ModelError in one sentence when one is missing or damaged.

        nudity  whether pictures are looked at, by a detector under the AGPL: see docs/licences.md before you turn it on
        """
        detector = NudityDetector(folder, provider=provider, threads=threads) if nudity else None
        return cls(detector, Toxicity(folder), GATE, limit_days)

    def judge(self, texts: Sequence[str | None], contents: Sequence[Content]) -> list[Judged]:
        """A verdict on each video."""
        seen = self._seen(contents)
        return [
            judged({**of_pictures, "toxicity": self.toxicity(text)}, self.gate)
            for of_pictures, text in zip(seen, texts, strict=True)
        ]

    def _seen(self, contents: Sequence[Content]) -> list[dict[str, float]]:
        if self.nudity is None:
            return [{} for _ in contents]
        frames = [None if one.frames is None else some_of(one.frames) for one in contents]
        return [{"nudity": float(row[list(UNFIT)].max())} for row in self.nudity.detect(frames)]  # of [N, 18]


def some_of(frames: Frames) -> Frames:
    """Two of the pictures of a video [F, ...], evenly spread."""
    return frames[:: max(1, -(-len(frames) // LOOKED_AT))]
