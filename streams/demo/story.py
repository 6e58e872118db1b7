"""The demo: a whole Freshet on this machine, seen from outside through Kafka alone.

A catalogue and a log go in, slates come out; then one person likes three videos of a kind, and her slate changes.
It ends with the measurements, and with the comparison of live and replay.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, count
from pathlib import Path

from schemas.messages.feedback import Feedback, Like, Search
from schemas.messages.recommendations import Item, decode_recommendation
from schemas.messages.videos import Upload
from schemas.settings.model import Settings
from streams.demo import untitled
from streams.demo.checks import Shift, check
from streams.demo.clients import ReceivedSlate
from streams.demo.clips import Clip, ClipFindings, show_clips
from streams.demo.latency import Milliseconds, Now, measure_events, measure_uploads, usable
from streams.demo.log import LIKES, Recorded, by_kind, kinds_of
from streams.demo.screen import Check, Screen, title_of
from streams.demo.server_index import wait_for_index
from streams.demo.stage import Stage

KIND_VIDEOS = 20  # a kind has to have so many videos: her likes, and enough to fill a slate


@dataclass(frozen=True)
class Report:
    """The result of the demo."""

    log: str
    people: int
    events: int
    uploads: int
    slates: int
    dead_letters: int
    left_out: int  # lines of the log that cannot be used
    backlog_s: float  # from the sending of the first event until everybody had a slate after their last one
    shift: Shift
    event_to_slate_ms: Milliseconds
    upload_to_features_ms: Milliseconds
    content: ClipFindings
    state_digest: str
    checks: tuple[Check, ...]

    def as_json(self) -> dict[str, object]:
        """The same for scripts."""
        fields = asdict(self)
        for name in ("event_to_slate_ms", "upload_to_features_ms"):
            fields[name] = {key: round(value, 1) for key, value in getattr(self, name)._asdict().items()}
        fields["content"] = self.content.as_json()
        fields["backlog_s"] = round(self.backlog_s, 3)
        fields["checks"] = {check.name: check.holds for check in self.checks}
        return fields


def play(stage: Stage, log: Recorded, clips: Sequence[Clip]) -> Report:
    """Play the whole story; everything goes in and out through Kafka."""
    now = Now(log.last_ms)
    fill_catalogue(stage, log)
    backlog_s = play_log(stage, log)
    shift = change_a_slate(stage, log, now)
    to_slate = measure_events(stage, log, now)
    to_features = measure_uploads(stage, now)
    content = show_clips(stage, clips, now)
    digest, checks = check(stage, shift)
    report = Report(
        log=log.name,
        people=len(stage.last_offsets),
        events=stage.counts["events"],
        uploads=stage.counts["uploads"],
        slates=len(stage.outputs.slates),
        dead_letters=stage.outputs.dead_letters.total(),
        left_out=len(log.faults),
        backlog_s=backlog_s,
        shift=shift,
        event_to_slate_ms=to_slate,
        upload_to_features_ms=to_features,
        content=content,
        state_digest=digest,
        checks=(*checks, untitled.check_of(content.untitled)),
    )
    show(stage.screen, report)
    return report


def fill_catalogue(stage: Stage, log: Recorded) -> None:
    """Publish the uploads, and wait until each video is embedded."""
    stage.screen.chapter(f"The catalogue: {len(log.uploads)} uploads of {log.name}")
    stage.publish(log.uploads, "uploads", len(log.uploads))
    wanted = {line.key.decode() for line in log.uploads}
    stage.wait("the encoder to embed videos", lambda: len(wanted & stage.outputs.embedded.keys()), len(wanted))
    said = stage.agents.output("ranker")
    wait_for_index(stage.settings, len(wanted), lambda: said.read_text("utf-8", "replace"), stage.screen.report)


def play_log(stage: Stage, log: Recorded) -> float:
    """Publish what people did, and wait until everybody has a slate that takes their last event into account."""
    people = len(log.people())
    stage.screen.chapter(f"The log: {len(log.events)} events of {people} people, as fast as the broker confirms them")
    began = time.monotonic()
    stage.publish(log.events, "events", len(log.events))
    stage.wait("everybody's slate after their last event", stage.people_with_current_slates, len(stage.last_offsets))
    spent_s = time.monotonic() - began
    stage.screen.report(f"  {len(log.events) / spent_s:.0f} events a second, from the first one sent to the last slate")
    return spent_s


def change_a_slate(stage: Stage, log: Recorded, now: Now) -> Shift:
    """Let a new person like three videos of the kind that her first slate shows least, and compare her slates."""
    catalogue, people = log.videos(), frozenset(log.people())
    ana = next(name for name in chain(["ana"], map("ana-{}".format, count(2))) if name not in people)
    stage.screen.chapter(f"{ana}: nobody knows her; she searches for “something new” and gets her first slate")
    before = act(stage, [Search(user_id=ana, at_ms=now(), event_id=f"{ana}-search", query="something new")])
    kind, liked = least_shown(before, catalogue)
    stage.screen.chapter(f"{ana} likes three videos of the kind {kind}:")
    likes: list[Feedback] = []
    for video_id in liked:
        stage.screen.report(f"  + {title_of(video_id, catalogue)}")
        likes.append(Like(user_id=ana, video_id=video_id, at_ms=now(), event_id=f"{ana}-like-{video_id}"))
    after = act(stage, likes)
    shift = Shift(ana, kind, share(before, catalogue, kind), share(after, catalogue, kind))
    stage.screen.slates(before, after, catalogue, kind)
    stage.screen.report(f"{kind} on {ana}'s slate: {shift.share_before:.0%} before, {shift.share_after:.0%} after")
    return shift


def act(stage: Stage, events: Sequence[Feedback]) -> list[Item]:
    """Publish what one person does, and wait for her slate after it."""
    person, last = events[-1].user_id, stage.publish(usable(events))[-1]

    def received() -> ReceivedSlate | None:
        newest = stage.outputs.newest.get(person)
        return newest if newest and newest.trigger.offset >= last.offset else None

    stage.wait(f"{person}'s slate", lambda: received() is not None, 1, shown=False)
    newest = received()
    if newest is None:
        raise RuntimeError(f"the slate of {person} was received and is gone; slates are never revoked")
    ms = 1000 * (newest.at_s - last.at_s)
    stage.screen.report(f"  her slate, version {newest.version}, arrived {ms:.0f} ms after she acted")
    return decode_recommendation(newest.value).items


def least_shown(slate: Sequence[Item], catalogue: Mapping[str, Upload]) -> tuple[str, list[str]]:
    """The kind with the fewest places on a slate, of equal ones the first by name, and three of its videos."""
    kinds = by_kind(catalogue, KIND_VIDEOS) or by_kind(catalogue, LIKES)
    kind = min(kinds, key=lambda kind: (share(slate, catalogue, kind), kind))
    return kind, kinds[kind][:LIKES]


def share(slate: Sequence[Item], catalogue: Mapping[str, Upload], kind: str) -> float:
    """The share of a slate that is of this kind."""
    videos = (catalogue.get(item.video_id) for item in slate)
    return sum(video is not None and kind in kinds_of(video) for video in videos) / len(slate)


def show(screen: Screen, report: Report) -> None:
    """The table at the end."""
    screen.figures(
        {
            "people": str(report.people),
            "events": str(report.events),
            "uploads": str(report.uploads),
            "slates": str(report.slates),
            "dead letters": str(report.dead_letters),
            "event sent → slate received, p50 / p95 / p99": str(report.event_to_slate_ms),
            "upload sent → features received, p50 / p95 / p99": str(report.upload_to_features_ms),
            "state digest": report.state_digest,
        }
    )
    screen.checks(report.checks)


def closing_words(settings: Settings, folder: Path, own_broker: bool, keep: bool, seconds: float) -> Iterator[str]:
    """How long it took, and what it leaves behind."""
    yield f"all stopped after {seconds:.0f} s; `freshet playground` stays up, with a page in the browser"
    if not own_broker:
        yield f"the topics {settings.prefix}* stay at {settings.bootstrap}"
    if not keep:
        return
    yield f"kept: {folder / 'published.jsonl'}, all that was published, in order"
    yield f"  freshet replay {folder / 'published.jsonl'}"
    if own_broker:
        port = settings.bootstrap.rpartition(":")[2]
        yield f"  freshet broker --data-dir {folder} --port {port}"
    yield f"  freshet digest --bootstrap {settings.bootstrap} --prefix {settings.prefix}"
