"""What has to hold at the end of the demo: live and replay agree, and every message keeps the contract."""

from dataclasses import dataclass
from pathlib import Path

from ranker.profile.codec import state_digest
from schemas.messages.fields import YEAR_2100_MS
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK
from streams.demo.screen import Check
from streams.demo.stage import Stage
from streams.kafka.records import Record
from streams.logs.digest import live_digest
from streams.logs.jsonl import Fault, read_log
from streams.operations.contract.verify import verify
from streams.profiles.state import empty_partition
from streams.profiles.step import ProfilesStep


@dataclass(frozen=True)
class Shift:
    """What three likes did to a person's slate."""

    person: str
    kind: str
    share_before: float
    share_after: float


def check(stage: Stage, shift: Shift) -> tuple[str, tuple[Check, ...]]:
    """Compare the live state with a replay of what was published, and read every topic against the contract."""
    stage.screen.chapter("Checking: live against replay, and every message against the contract")
    live, people = live_digest(stage.settings)
    stage.screen.report(f"  live: {people} profiles read from their topic")
    replayed, late = replay_state(stage.publisher.file, stage.settings)
    stage.screen.report(f"  replay: {stage.counts['events']} events folded again, without a broker")
    verified = []
    for one in verify(stage.settings):
        stage.screen.report(f"  {one.topic}: {one.records} records read, {one.breaches} breaches")
        verified.append(one)
    records, breaches = sum(one.records for one in verified), sum(one.breaches for one in verified)
    ranked, dead_letters = stage.people_with_current_slates(), stage.outputs.dead_letters.total()
    first = next((f"; {one.topic}: {one.first[0].what}" for one in verified if one.first), "")
    return live, (
        Check("everybody's last event is answered", ranked == people, f"{ranked} of {people} people"),
        Check("dead letters = those of the replay", dead_letters == late, f"{dead_letters} = {late}"),
        Check("state digest live = replay", live == replayed, f"{live[:16]} = {replayed[:16]}"),
        Check("the messages keep the contract", not breaches, f"{breaches} breaches in {records} records{first}"),
        Check(
            f"more {shift.kind} after the likes",
            shift.share_after > shift.share_before,
            f"{shift.share_before:.0%} → {shift.share_after:.0%}",
        ),
    )


def replay_state(file: Path, settings: Settings) -> tuple[str, int]:
    """State digest of a published log by the profiles step, without a broker, and how many dead letters it writes."""
    state = empty_partition(0)
    step = ProfilesStep(settings, {0: state}, trends_limit=0)
    letters = 0
    with file.open("rb") as lines:
        for line in read_log(lines):
            if isinstance(line, Fault) or line.topic is not FEEDBACK:
                continue
            record = Record(FEEDBACK.full(settings.prefix), 0, line.number, YEAR_2100_MS, line.key, line.value)
            letters += len(step.apply([((record.topic, 0), [record])], partitions=1).dead_letters)
    return state_digest(state.profiles.items()), letters
