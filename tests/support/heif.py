"""HEIC and AVIF photos made on the spot: one picture, or a grid of tiles as phones write it."""

import struct
from collections.abc import Iterator, Sequence

from tests.support.clips import Picture, clip


def heif(columns: int, rows: int, picture: Picture, codec: str, *properties: bytes) -> bytes:
    """A photo of so many tiles, each the same picture; properties (`turned`, `mirrored`) are those of the photo."""
    brand, kind, box_name = (b"heic", b"hvc1", b"hvcC") if codec == "libx265" else (b"avif", b"av01", b"av1C")
    tile = (picture.shape[1], picture.shape[0])
    config, sample = _picture(picture, codec, box_name)
    count, has_grid = columns * rows, columns * rows > 1
    primary = count + 1 if has_grid else 1
    items = [(number + 1, kind) for number in range(count)] + ([(primary, b"grid")] if has_grid else [])
    size = columns * tile[0], rows * tile[1]
    grid = bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", *size)
    ftyp = _box(b"ftyp", brand + bytes(4) + b"mif1" + brand)

    def meta(data_at: int) -> bytes:
        places = [(number, 0, data_at, len(sample)) for number, _ in items[:count]]
        places += [(primary, 1, 0, len(grid))] if has_grid else []
        shared = [config, _full(b"ispe", struct.pack(">II", *tile)), _full(b"ispe", struct.pack(">II", *size))]
        of_photo = [4 + at for at in range(len(properties))]
        of_items = [(number, [1, 2, *(of_photo if number == primary else [])]) for number, _ in items[:count]]
        of_items += [(primary, [3, *of_photo])] if has_grid else []
        parts = [
            _full(b"hdlr", bytes(4) + b"pict" + bytes(13)),
            _full(b"pitm", struct.pack(">H", primary)),
            _full(b"iloc", b"\x44\0" + struct.pack(">H", len(places)) + b"".join(map(_place, places)), version=1),
            _full(b"iinf", struct.pack(">H", len(items)) + b"".join(_entry(*item) for item in items)),
            _box(b"iprp", _box(b"ipco", b"".join([*shared, *properties])) + _associations(of_items)),
            *(
                [_full(b"iref", _box(b"dimg", struct.pack(f">{count + 2}H", primary, count, *range(1, count + 1))))]
                if has_grid
                else []
            ),
            _box(b"idat", grid),
        ]
        return _full(b"meta", b"".join(parts))

    head = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(head) + _box(b"mdat", sample)


def turned(quarters: int) -> bytes:
    """So many quarter turns counterclockwise."""
    return _box(b"irot", bytes([quarters]))


def mirrored(axis: int) -> bytes:
    """Mirrored: 0 top to bottom, 1 left to right."""
    return _box(b"imir", bytes([axis]))


def _picture(picture: Picture, codec: str, box_name: bytes) -> tuple[bytes, bytes]:
    """The decoder's configuration and the first sample of a clip."""
    made = clip(seconds=0.5, video=codec, audio=None, picture=picture)
    at = made.index(box_name) - 4
    config = made[at : at + struct.unpack_from(">I", made, at)[0]]
    sizes = made.index(b"stsz") + 16
    data = next(body for kind, body in _boxes(made) if kind == b"mdat")
    return config, data[: struct.unpack_from(">I", made, sizes)[0]]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += size


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, body: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]) + body)


def _place(place: tuple[int, int, int, int]) -> bytes:
    number, method, at, length = place
    return struct.pack(">HHHHII", number, method, 0, 1, at, length)


def _entry(number: int, kind: bytes) -> bytes:
    return _full(b"infe", struct.pack(">HH", number, 0) + kind + b"\0", version=2)


def _associations(of_items: Sequence[tuple[int, list[int]]]) -> bytes:
    body = struct.pack(">I", len(of_items))
    for number, properties in of_items:
        body += struct.pack(">HB", number, len(properties)) + bytes(0x80 | one for one in properties)
    return _full(b"ipma", body)
