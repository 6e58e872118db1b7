"""Moderation: what pictures and words are scored for, and from which score on a video is limited or dropped."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from encoders.base import Content, Vectors
from encoders.modalities.image import Frames
from encoders.models.session import Provider
from encoders.moderation.harm import Harm
from encoders.moderation.nudity import LABELS, NudityDetector
from encoders.moderation.toxicity import Toxicity
from schemas.messages.fields import DAY_MS, YEAR_2100_MS
from schemas.messages.plain_text import bare_words

KIND = "safety:"
LIMITED = KIND + "limited"  # the label of a video that is shown only to people who follow its creator
JUDGED_CHARS = 8192  # of a text, as many as are embedded: the longest one that an upload may have takes seconds
SAMPLED_FRAMES = 2  # of a video, evenly spread: the detector costs 40 ms for each
EXPOSED = tuple(
    LABELS.index(f"{part}_EXPOSED")
    for part in ("FEMALE_GENITALIA", "MALE_GENITALIA", "FEMALE_BREAST", "ANUS", "BUTTOCKS")
)


class Thresholds(NamedTuple):
    """From which score on a video is limited, and from which on it is dropped."""

    limit: float
    drop: float = math.inf  # never: for a score that is not sure enough for what nobody can take back


THRESHOLDS = {  # guesses: neither model was evaluated on real uploads, so read `freshet review` before trusting them
    "nudity": Thresholds(0.45, 0.75),
    "toxicity": Thresholds(0.80, 0.98),
    "harm": Thresholds(0.50),  # fitted on titles that were made up, see `Harm`
}


class Verdict(Enum):
    """What happens to a video."""

    ALLOW = "allow"
    LIMIT = "limit"
    DROP = "drop"


class Judgement(NamedTuple):
    """The verdict on one video, its scores by what they are for, and the reason in words."""

    verdict: Verdict
    scores: dict[str, float]
    reason: str = ""


def judge_scores(scores: Mapping[str, float], thresholds: Mapping[str, Thresholds] = THRESHOLDS) -> Judgement:
    """The strictest verdict of any score; the reason names the score that led to it.

    >>> judge_scores({"nudity": 0.5, "toxicity": 0.1})
    Judgement(verdict=<Verdict.LIMIT: 'limit'>, scores={'nudity': 0.5, 'toxicity': 0.1}, reason='nudity 0.50')
    """
    for verdict in (Verdict.DROP, Verdict.LIMIT):
        for name, score in sorted(scores.items(), key=lambda one: (-one[1], one[0])):
            if name in thresholds and score >= getattr(thresholds[name], verdict.value):
                return Judgement(verdict, dict(scores), f"{name} {score:.2f}")
    return Judgement(Verdict.ALLOW, dict(scores))


def labels_of(judgement: Judgement) -> dict[str, float]:
    """The labels that the catalogue keeps of a judgement: its scores, and whether the video is limited."""
    scores = {KIND + name: round(score, 3) for name, score in judgement.scores.items() if score >= 0.01}
    return scores | ({LIMITED: 1.0} if judgement.verdict is Verdict.LIMIT else {})


def expiry_of(judgement: Judgement, at_ms: int, limit_days: int) -> dict[str, int]:
    """The event time from which on the label of a limited upload no longer counts; empty where it always does.

    at_ms  of the upload. An expiry after the beginning of 2100, which no message may carry, is left out

    >>> expiry_of(judge_scores({"nudity": 0.5}), 1_650_000_000_000, 2)
    {'safety:limited': 1650172800000}
    >>> expiry_of(judge_scores({}), 1_650_000_000_000, 2)
    {}
    """
    until_ms = at_ms + limit_days * DAY_MS
    limited = judgement.verdict is Verdict.LIMIT and at_ms < until_ms <= YEAR_2100_MS
    return {LIMITED: until_ms} if limited else {}


@dataclass(frozen=True, eq=False)
class Moderation:
    """The models that score a video, and the thresholds behind them; a new score needs a line in both."""

    nudity: NudityDetector | None  # None: pictures are not looked at
    toxicity: Toxicity
    thresholds: Mapping[str, Thresholds]
    limit_days: int = 0  # how long an upload stays limited, from its own time on; 0: it stays limited
    harm: Harm | None = None  # None: the text model knows one language, or is one that it was not fitted for

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        nudity: bool = False,
        limit_days: int = 0,
        text_version: str = "",
        provider: Provider = "auto",
        threads: int = 1,
    ) -> "Moderation":
        """Open the models of a folder; a ModelError says in one sentence which is missing or damaged.

        nudity  whether pictures are looked at, by a detector under the AGPL: see docs/licences.md before you turn it on
        text_version  of the encoder whose vectors `judge` will be handed, empty where there is none
        """
        detector = NudityDetector(folder, provider=provider, threads=threads) if nudity else None
        return cls(detector, Toxicity(folder, bare_words), THRESHOLDS, limit_days, Harm.of(text_version))

    @property
    def version(self) -> str:
        """16 hex digits that change with every model and threshold that a verdict comes from."""
        models = [(one.name, one.version) for one in (self.nudity, self.toxicity, self.harm) if one is not None]
        return hashlib.sha256(repr((models, sorted(self.thresholds.items()))).encode()).hexdigest()[:16]

    def judge(self, contents: Sequence[Content], text: Vectors | None = None) -> list[Judgement]:
        """A judgement of each video.

        text  float32 [N, 384], the vectors of their texts
        """
        return [
            judge_scores({**of_picture, "toxicity": self._toxicity_of(content), **of_text}, self.thresholds)
            for of_picture, content, of_text in zip(
                self._picture_scores(contents), contents, self._text_scores(len(contents), text), strict=True
            )
        ]

    def _toxicity_of(self, content: Content) -> float:
        return self.toxicity((content.text or "")[:JUDGED_CHARS])

    def _text_scores(self, count: int, text: Vectors | None) -> list[dict[str, float]]:
        if self.harm is None or text is None:
            return [{} for _ in range(count)]
        return [{"harm": self.harm(row)} for row in text]

    def _picture_scores(self, contents: Sequence[Content]) -> list[dict[str, float]]:
        if self.nudity is None:
            return [{} for _ in contents]
        frames = [None if one.frames is None else sampled(one.frames) for one in contents]
        return [{"nudity": float(row[list(EXPOSED)].max())} for row in self.nudity.detect(frames)]  # of [N, 18]


def sampled(frames: Frames) -> Frames:
    """Two of the pictures of a video [F, ...], evenly spread."""
    return frames[:: max(1, -(-len(frames) // SAMPLED_FRAMES))]
