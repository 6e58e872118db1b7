"""The tables of docs/publishing.md and docs/consuming.md, made from the types and from what the code does with them.

`python -m tests.meta.message_tables` writes them again, between the markers `<!-- table: name -->` and
`<!-- end of table -->`; a test fails when the pages differ.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ranker.feeds.home import REASONS
from ranker.profile.event_ids import MAX_PAGES, PAGE_IDS
from ranker.profile.fold import fold
from ranker.profile.history import POSITIVE, weight_of
from ranker.profile.model import EMPTY, SEEN, Origin, Profile
from schemas import topics
from schemas.messages.dead_letters import EXPLAINED, Reason
from schemas.messages.feedback import Event, Feedback, Rate, VideoEvent, Watch
from schemas.messages.fields import YEAR_2000_MS
from schemas.published.examples import AT_MS, EXAMPLES, USER
from schemas.published.json_schema import members, schema_of
from schemas.settings.model import Settings
from schemas.topics import Topic
from streams.dead_letters.validation import FEEDBACK_BYTES, FUTURE_MS, UPLOAD_BYTES
from streams.profiles.erasure import ERASURE_BYTES
from tests.support.paths import ROOT

PAGES = (ROOT / "docs/publishing.md", ROOT / "docs/consuming.md")
TABLE = re.compile(r"(<!-- table: (\S+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)
LISTS = ("watches", "likes", "skips", "hides", "follows")  # of a profile

Json = dict[str, Any]
Rows = Iterable[tuple[str, ...]]

NAMED = "the video, where one matters"  # what a reason refers to that names an interest


def table(*head: str, rows: Rows) -> str:
    """Lines of Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def fields(topic: Topic, part: str, leave_out: Iterable[str] = ()) -> str:
    """The fields of a message type, or of a part of one."""
    schema = schema_of(topic)["$defs"][part]
    rows = [
        (
            f"`{name}`",
            type_in(field, name in schema["required"]),
            "yes" if name in schema["required"] else "",
            field.get("description", ""),
        )
        for name, field in schema["properties"].items()
        if name not in leave_out
    ]
    return table("field", "type", "required", "meaning", rows=rows)


def type_in(field: Json, required: bool) -> str:
    """A field's type; of one that has to be there also whether null may be."""
    nullable = required and {"type": "null"} in field.get("anyOf", ())
    return type_of(field) + (", or null" if nullable else "")


def type_of(field: Json) -> str:
    """A field's type in words, without null, which every optional field may have.

    >>> type_of({"type": "integer", "minimum": 0, "maximum": 86_400_000})
    'integer, 0 to 86,400,000'
    """
    if "const" in field:
        return f'`"{field["const"]}"`'
    if "enum" in field:
        return ", ".join(f'`"{one}"`' for one in field["enum"])
    if "anyOf" in field:
        return type_of(next(one for one in field["anyOf"] if one.get("type") != "null"))
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    return WORDS[field["type"]](field)


def _text(field: Json) -> str:
    least, most = field.get("minLength", 0), field.get("maxLength")
    return "string" + (f", {least} to {most:,} characters" if most else "")


def _number(field: Json) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    if least == YEAR_2000_MS:
        return "integer, years 2000 to 2100"
    if "exclusiveMinimum" in field:
        return f"{field['type']}, above {field['exclusiveMinimum']:g}, at most {most:g}"
    if most is None:
        return field["type"] + (f", from {least:,}" if least is not None else "")
    return f"{field['type']}, {least:,} to {most:,}".replace(".0", "")


def _list(field: Json) -> str:
    most = f", at most {field['maxItems']}" if "maxItems" in field else ""
    return f"list of {type_of(field['items'])}{most}"


def _object(field: Json) -> str:
    return f"object: name to {type_of(field['additionalProperties'])}"


WORDS: dict[str, Callable[[Json], str]] = {
    "string": _text,
    "integer": _number,
    "number": _number,
    "boolean": lambda _: "boolean",
    "array": _list,
    "object": _object,
}


def kinds() -> str:
    """Every kind of event: what it says, and which fields it has beside those of all."""
    common = {field.encode_name for field in msgspec.structs.fields(VideoEvent)}
    rows = []
    for one in members(topics.FEEDBACK):
        schema = schema_of(topics.FEEDBACK)["$defs"][one.__name__]
        own = [
            f"`{name}`{'' if name in schema['required'] else ' (optional)'}: {type_of(field)}; {field['description']}"
            for name, field in schema["properties"].items()
            if name not in common | {"kind"} or (name == "recommendation_id" and name in schema["required"])
        ]
        rows.append((f"`{tag(one)}`", schema["description"], "<br>".join(own) or "–"))
    return table("kind", "meaning", "fields of its own", rows=rows)


def tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def effects() -> str:
    """What one event of each kind does to an empty profile, by the fold that runs in production."""
    rows = []
    for what, event in samples():
        after = fold(EMPTY, event, Origin(None, "freshet.feedback.v1", 0, 0, AT_MS))
        people = "counts" if weight_of(event) >= POSITIVE else "–"
        rows.append((what, entry_in(after), people, "yes" if after.seen else "–"))
    return table("event", "goes into the profile's", "in trends", "video is seen", rows=rows)


def samples() -> Iterator[tuple[str, Feedback]]:
    """An event of each kind, several of those whose weight depends on a number."""
    for event in EXAMPLES:
        if isinstance(event, Watch):
            for share, words in ((1, "all of it"), (2, "half of it"), (10, "a tenth of it")):
                watch = Watch(user_id=USER, video_id="v7", at_ms=AT_MS, watched_ms=10_000 // share, duration_ms=10_000)
                yield f"`watch` of {words}", watch
        elif isinstance(event, Rate):
            for value in (0.9, 0.5, 0.2):
                yield f"`rate` {value}", Rate(user_id=USER, video_id="v7", at_ms=AT_MS, value=value)
        elif isinstance(event, Event):
            yield f"`{tag(type(event))}`", event  # type: ignore[misc]  # every other event is one kind of feedback


def entry_in(profile: Profile) -> str:
    """The list of the profile that has an entry, and its weight."""
    for name in LISTS:
        for entry in getattr(profile, name):
            return f"{name}, " + (f"scope {entry.scope}" if name == "hides" else f"weight {entry.weight} %")
    return "counts only"


def limits() -> str:
    """The numbers that a publisher meets."""
    late = Settings.model_fields["late_ms"].default
    media_mb = Settings.model_fields["media_bytes"].default // 1024**2
    return table(
        "limit",
        "value",
        "beyond it",
        rows=[
            ("an event, bytes", f"{FEEDBACK_BYTES:,}", f"`{Reason.TOO_LARGE}`"),
            ("an upload or withdrawal, bytes", f"{UPLOAD_BYTES:,}", f"`{Reason.TOO_LARGE}`"),
            ("an erasure, bytes", f"{ERASURE_BYTES:,}", f"`{Reason.TOO_LARGE}`"),
            ("a media file, MiB", f"{media_mb} (`FRESHET_MEDIA_BYTES`)", f"`{Reason.MEDIA}`"),
            ("`at_ms` ahead of the broker's clock", duration(FUTURE_MS), f"`{Reason.TIMESTAMP}`"),
            ("`at_ms` behind the person's newest event", f"{duration(late)} (`FRESHET_LATE_MS`)", f"`{Reason.LATE}`"),
            ("event ids that are remembered of a person", f"about {ids():,}, the newest", "a repeat counts again"),
            ("seen videos that do not return", f"the newest {SEEN}", "may be shown again"),
        ],
    )


def ids() -> int:
    """Event ids that are known at least: those of the pages, and the fewest that a profile holds."""
    return (MAX_PAGES * PAGE_IDS + PAGE_IDS) // 100 * 100


def duration(ms: int) -> str:
    """A span of time in words.

    >>> duration(300_000), duration(86_400_000)
    ('5 minutes', '24 hours')
    """
    return f"{ms // 60_000} minutes" if ms < 7_200_000 else f"{ms // 3_600_000} hours"


def received() -> str:
    """The topics that a publisher writes."""
    carried = {
        topics.FEEDBACK: "[what people do](#events)",
        topics.UPLOADS: "[uploads and withdrawals](#uploads)",
        topics.ERASURES: "[erasures](#erasures)",
    }
    rows = [
        (f"`{topic.full('freshet.')}`", what, f"`{topic.key}`", f"{(topic.retention_ms or 0) // 86_400_000} days")
        for topic, what in carried.items()
    ]
    return table("topic", "carries", "key", "kept", rows=rows)


def reasons() -> str:
    """Every reason of a dead letter."""
    rows = [(f"`{reason}`", explained.cause, explained.remedy) for reason, explained in EXPLAINED.items()]
    return table("reason", "cause", "remedy", rows=rows)


def codes() -> str:
    """The reason codes of the home feed, with the features and sources that they stand for."""
    rows = [
        (
            f"`{one.code}`",
            listed(one.features),
            listed(one.sources),
            NAMED if one.names_interest else "–",
        )
        for one in REASONS
    ]
    explore = ("`explore`", "–", "`fresh`", "–")
    return table("code", "features that it stands for", "sources", "`video_id`", rows=[*rows, explore])


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


TABLES: dict[str, Callable[[], str]] = {
    "topics": received,
    "event-fields": lambda: fields(topics.FEEDBACK, "Like", ("kind",)),
    "kinds": kinds,
    "effects": effects,
    "upload-fields": lambda: fields(topics.UPLOADS, "Upload"),
    "withdraw-fields": lambda: fields(topics.UPLOADS, "Withdraw"),
    "erasure-fields": lambda: fields(topics.ERASURES, "Erasure"),
    "limits": limits,
    "reasons": reasons,
    "slate-fields": lambda: fields(topics.RECOMMENDATIONS, "Recommendation"),
    "item-fields": lambda: fields(topics.RECOMMENDATIONS, "Item"),
    "because-fields": lambda: fields(topics.RECOMMENDATIONS, "Because"),
    "trigger-fields": lambda: fields(topics.RECOMMENDATIONS, "Trigger"),
    "codes": codes,
}


def filled(text: str) -> str:
    """A page with its tables as they should be."""
    return TABLE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[4]}", text)


def names_in(text: str) -> list[str]:
    """The tables that a page shows."""
    return [found[2] for found in TABLE.finditer(text)]


def write(pages: Iterable[Path] = PAGES) -> None:
    """Write the tables of the pages again."""
    for page in pages:
        page.write_text(filled(page.read_text("utf-8")), "utf-8")
        print(f"wrote the tables of {page.relative_to(ROOT)}")


if __name__ == "__main__":
    write()
