"""Small damages to messages, drawn from a seed: to their bytes, and to what they say as JSON or MessagePack."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

DEEP: Any = []
for _ in range(400):  # deeper in bytes below: what `json` writes of itself has an end
    DEEP = [DEEP]
ODD: Sequence[Any] = (
    None, True, False, [], {}, "", 0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 0.5, -0.0, 1e308, 1e-320,
    float("nan"), float("inf"), "\x00", "\ud800", "\u202e", "é" * 130, "x" * 300, "x" * 70_000, "1650000000000", DEEP,
    [[]], [None], {"": None}, {"kind": "watch"}, "watch", "upload", "withdrawn", 1_650_000_000_000, "AAAA", "====",
)  # fmt: skip
SNIPPETS = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b'"', b"{", b"}", b"[" * 2000, b"[" * 2000 + b"]" * 2000, b"]", b",", b":", b"-",
    b"1e999", b"NaN", b"null", b"\\u0000", b"\\ud800", b'{"x":' * 1500, b"\x91" * 3000, b"\xc1",
    b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
)  # fmt: skip


def mutated(seeds: Sequence[bytes], rng: Random) -> bytes:
    """One of the seeds with one to four damages."""
    data = rng.choice(seeds)
    for _ in range(1 if rng.random() < 0.6 else rng.randint(2, 4)):
        data = rng.choice(DAMAGES)(data, seeds, rng)
    return data


def _flipped(data: bytes, seeds: Sequence[bytes], rng: Random) -> bytes:
    if not data:
        return b"\x00"
    at = rng.randrange(len(data))
    return data[:at] + bytes((data[at] ^ (1 << rng.randrange(8)),)) + data[at + 1 :]


def _replaced(data: bytes, seeds: Sequence[bytes], rng: Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + bytes((rng.randrange(256),)) + data[at + 1 :]


def _cut(data: bytes, seeds: Sequence[bytes], rng: Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] if rng.random() < 0.7 else data[at:]


def _spliced(data: bytes, seeds: Sequence[bytes], rng: Random) -> bytes:
    other = rng.choice(seeds)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _repeated(data: bytes, seeds: Sequence[bytes], rng: Random) -> bytes:
    start = rng.randint(0, len(data))
    end = rng.randint(start, min(len(data), start + 64))
    return data[:end] + data[start:end] * rng.randint(1, 3) + data[end:]


def _inserted(data: bytes, seeds: Sequence[bytes], rng: Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(SNIPPETS) + data[at:]


def _said_otherwise(data: bytes, seeds: Sequence[bytes], rng: Random) -> bytes:
    """Change a value inside: what the bytes say is still well-formed."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _packed_otherwise(data, rng)
    return json.dumps(_changed(value, rng), ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _packed_otherwise(data: bytes, rng: Random) -> bytes:
    try:
        return msgspec.msgpack.encode(_changed(msgspec.msgpack.decode(data, strict=False), rng))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return data[::-1]


def _changed(value: Any, rng: Random) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.85:
        return _changed_object(value, rng)
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        part = [] if rng.random() < 0.2 else [_changed(value[at], rng)]
        return value[:at] + part + value[at + 1 :]
    return rng.choice(ODD)


def _changed_object(value: dict[Any, Any], rng: Random) -> dict[Any, Any]:
    name = rng.choice(list(value))
    draw = rng.random()
    if draw < 0.15:
        return {key: one for key, one in value.items() if key != name}
    if draw < 0.25:
        return {f"{name}x" if key == name else key: one for key, one in value.items()}
    if draw < 0.35:
        return {**value, name: value[rng.choice(list(value))]}
    if draw < 0.45:
        return {**value, "unknown": rng.choice(ODD)}
    return {**value, name: _changed(value[name], rng)}


DAMAGES: Sequence[Callable[[bytes, Sequence[bytes], Random], bytes]] = (
    _flipped, _replaced, _cut, _spliced, _repeated, _inserted, _said_otherwise, _said_otherwise, _said_otherwise,
)  # fmt: skip
