"""Dead letters on their way out."""

from collections.abc import Iterable
from importlib.metadata import version

from schemas.outputs import LETTER_BYTES, DeadLetter, letter_headers
from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS
from streams.outbox import Outbox, Outgoing

VERSION = version("freshet")


async def put_letters(out: Outbox, settings: Settings, letters: Iterable[DeadLetter]) -> None:
    """Put dead letters into the outbox, each on the partition of the original's key."""
    await out.put_by_key(
        DEAD_LETTERS.full(settings.prefix),
        [Outgoing(one.key, one.value[:LETTER_BYTES], letter_headers(one, VERSION)) for one in letters],
    )
