"""JSON as some clients write it, read once the strict decoder has refused it: ordinary messages cost nothing more.

Whole numbers with a point or an exponent (pandas, doubles of Java and Go), halves of surrogate pairs (titles cut by
UTF-16 units), a byte order mark, trailing null bytes, empty optional ids, CloudEvents whose data is text or base64.
"""

import binascii
import json
import re
from base64 import b64decode
from math import isfinite
from typing import Any, NoReturn

import msgspec

from schemas.messages import cloudevents

OPTIONAL_IDS = ("event_id", "recommendation_id", "creator_id", "music_id")  # an empty one is a missing one
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WIDE = (b"\xff\xfe", b"\xfe\xff", b"\x00{", b"{\x00", b"\x00\x00\x00{")  # how UTF-16 and UTF-32 begin
MAX_DIGITS = 400  # a longer one is beyond every double; and Python refuses to read one of 4,300
BEYOND: int = 10**MAX_DIGITS
SURROGATE = re.compile("[\ud800-\udfff]")
HINTS = (
    ("Expected `int`, got `float`", "; send a whole number, in JavaScript by Math.round"),
    ("Expected `int`, got `str` - at `$.at_ms`", "; send Unix time in milliseconds as a number, without quotes"),
    ("Expected `int`, got `str`", "; send the number without quotes"),
    ("Expected `float`, got `str`", "; send the number without quotes"),
    ("Expected `int` >= 946684800000", "; send Unix time in milliseconds, not in seconds"),
    ("Expected `int` <= 4102444800000", "; send Unix time in milliseconds, not in micro- or nanoseconds"),
)
CONNECT = (
    "$ is Kafka Connect's envelope of schema and payload; set "
    "value.converter=org.apache.kafka.connect.json.JsonConverter and value.converter.schemas.enable=false"
)
QUOTED = (
    "$ is JSON inside a JSON text; write the object itself, with Kafka Connect by "
    "value.converter=org.apache.kafka.connect.storage.StringConverter"
)


WHITESPACE = " \t\r\n"
BLANKS = re.compile(f"[{WHITESPACE}]*")


class NotJson(ValueError):
    """Bytes that are no JSON of any client, with a sentence where it is known what they are."""


def read(data: bytes, kind: Any, *, structured: bool = False) -> tuple[Any, str | None]:
    """A message of a type and the id of the CloudEvents envelope around it.

    structured  the headers say that it is a CloudEvents envelope
    Raises NotJson, msgspec.ValidationError and UnknownVersion.
    """
    value, event_id = unwrap(parse(data), structured=structured)
    if isinstance(value, str):
        raise msgspec.ValidationError(QUOTED)
    if isinstance(value, dict):
        if value.keys() == {"schema", "payload"}:
            raise msgspec.ValidationError(CONNECT)
        named = {SURROGATE.sub("\ufffd", name): one for name, one in value.items()}
        value = {name: repaired(name, one) for name, one in named.items() if one != "" or name not in OPTIONAL_IDS}
    try:
        return msgspec.convert(value, kind), event_id
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(with_hint(str(error))) from None


def kind_of(data: bytes) -> str:
    """The kind of a message, empty where it has none or cannot be read."""
    try:
        value, _ = unwrap(parse(data))
    except ValueError:
        return ""
    kind = value.get("kind") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


def parse(data: bytes) -> Any:
    """JSON as Python's own values, halves of surrogate pairs as they are; NotJson for everything else.

    >>> parse(b'\\xef\\xbb\\xbf{"at_ms": 1.764144E12}\\x00')
    {'at_ms': 1764144000000.0}
    """
    if data.startswith(WIDE):
        raise NotJson("UTF-16 or UTF-32; this topic carries JSON in UTF-8")
    try:
        text = _text_of(data.removeprefix(BYTE_ORDER_MARK).rstrip(b"\0"))
        return json.loads(text, parse_constant=_not_a_number, parse_float=_finite, parse_int=_whole)
    except NotJson:
        raise
    except RecursionError:
        raise NotJson("it is nested more deeply than is read") from None
    except ValueError:  # what the strict decoder said of it is the better sentence
        raise NotJson from None


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        where = f"byte {error.start} of it, 0x{data[error.start]:02x}, is no UTF-8"
        raise NotJson(f"{where}; this topic carries JSON in UTF-8") from None


def split(data: bytes) -> list[bytes]:
    """Each element of a JSON array as it is written, halves of surrogate pairs too; an empty list where it is none.

    >>> [len(one) for one in split(b'[{"title": "Cooking " }, 1] ')], split(b"[1, 2"), split(b"[1 2]")
    ([22, 1], [], [])
    """
    found, at, sign = [], 0, "["
    try:
        text = data.decode().strip(WHITESPACE)
        while text[at : at + 1] == sign:
            start = _behind_blanks(text, at + 1)
            end = _ELEMENT.raw_decode(text, start)[1]
            found.append(text[start:end].encode())
            at, sign = _behind_blanks(text, end), ","
    except (ValueError, RecursionError):
        return []
    return found if text[at:] == "]" else []


def _behind_blanks(text: str, at: int) -> int:
    found = BLANKS.match(text, at)
    return found.end() if found else at


def unwrap(value: Any, *, structured: bool = False) -> tuple[Any, str | None]:
    """The data and the id of a CloudEvents envelope; another value as it is, without an id.

    >>> unwrap({"specversion": "1.0", "id": "e-1", "type": "like", "data": '{"kind": "like"}'})
    ({'kind': 'like'}, 'e-1')
    """
    if isinstance(value, list) and value and isinstance(value[0], dict) and "specversion" in value[0]:
        raise msgspec.ValidationError("$ is a batch of CloudEvents; send each event as a record of its own")
    is_envelope = isinstance(value, dict) and "specversion" in value and ("data" in value or "data_base64" in value)
    if not (structured or is_envelope):
        return value, None
    for name in ("specversion", "id", "type"):
        if not isinstance(value, dict) or not isinstance(value.get(name), str):
            raise msgspec.ValidationError(f"the CloudEvents envelope needs the attribute $.{name}, a text")
    cloudevents.check_version(value["specversion"], value["type"])
    return _data_of(value), value["id"] or None


def _data_of(envelope: dict[str, Any]) -> Any:
    data = envelope.get("data")
    try:
        if data is None and "data_base64" in envelope:
            return parse(b64decode(envelope["data_base64"], validate=True))
        return parse(data.encode()) if isinstance(data, str) else data
    except (binascii.Error, TypeError, ValueError):
        raise msgspec.ValidationError("the data of the CloudEvents envelope is no JSON, as text or in base64") from None


def repaired(name: str, value: Any) -> Any:
    """A field with whole numbers as integers, and with the replacement character for halves of surrogate pairs.

    >>> repaired("title", "Cooking \\ud83c"), repaired("at_ms", 1.764144e12), repaired("value", 0.5)
    ('Cooking \ufffd', 1764144000000, 0.5)
    """
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, str) and SURROGATE.search(value):
        if name.endswith("_id"):  # two ids would become one
            raise msgspec.ValidationError(f"$.{name} holds half of a surrogate pair")
        return SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [one if isinstance(one, list) else repaired(name, one) for one in value]
    return value


def with_hint(error: str) -> str:
    """An error of the decoder with what its sender can do."""
    return error + next((hint for start, hint in HINTS if error.startswith(start)), "")


def why_other_key(key: bytes, name: str, wanted: str) -> str:
    """A sentence about a key that is not the id; it names the setting of who has wrapped the id in something.

    >>> why_other_key(b"v2", "video_id", "v1")
    "the record's key is not its $.video_id"
    """
    what = f"the record's key is not its $.{name}"
    if key.startswith(b"\0"):
        return f"{what} but a schema registry's wire format; set key.serializer to a StringSerializer"
    try:
        found = json.loads(key)
    except (ValueError, RecursionError):
        return what
    if found == wanted or (isinstance(found, dict) and found.get("payload") == wanted):
        how = "in JSON quotes" if found == wanted else "in Kafka Connect's envelope of schema and payload"
        return f"{what} but that id {how}; set key.converter=org.apache.kafka.connect.storage.StringConverter"
    return what


def _not_a_number(name: str) -> NoReturn:
    raise NotJson(f"{name} is no JSON; leave the field out")


def _finite(number: str) -> float | int:
    value = float(number)
    return value if isfinite(value) else _beyond(number)


def _whole(number: str) -> int:
    return int(number) if len(number) < MAX_DIGITS else _beyond(number)


def _beyond(number: str) -> int:
    """A number that is out of every field's range, and counts for nothing where no field has it."""
    return -BEYOND if number.startswith("-") else BEYOND


_ELEMENT = json.JSONDecoder(parse_constant=_not_a_number, parse_float=_finite, parse_int=_whole)
