"""Writing to an index that may be away, or refuse, for any time: nothing is lost, and the worker goes on waiting."""

import asyncio
import logging
from collections.abc import Sequence

from ranker.retrieval.index import IndexUnavailable
from streams.kafka.waits import Waits
from streams.qdrant.index import QdrantIndex
from streams.qdrant.mapping import Change

log = logging.getLogger("freshet.indexing")

RETRY_DELAY_S = 2.0  # before an index that did not answer is asked again


class PatientWriter:
    """Puts changes into an index, for as long as it takes; a line says when it goes, and one when it is back.

    waits  where `freshet health` finds what the worker waits for
    """

    def __init__(self, index: QdrantIndex, waits: Waits) -> None:
        self._index, self._waits = index, waits
        self._trouble = ""
        self._is_open = False

    async def write(self, changes: Sequence[Change]) -> None:
        """Return when the server has applied them."""
        with self._waits.waiting("the index"):
            while not await self._is_written(changes):  # noqa: ASYNC110  # the server has no event of ours
                await asyncio.sleep(RETRY_DELAY_S)

    async def _is_written(self, changes: Sequence[Change]) -> bool:
        try:
            if not self._is_open:
                await self._index.start()
            self._is_open = True
            await self._index.write(changes)
        except IndexUnavailable as error:
            self._is_open = False  # whatever it was, the collection is looked at again
            self._report(str(error))
            return False
        self._report("")
        return True

    def _report(self, trouble: str) -> None:
        """One line for each trouble, however often it is met."""
        if trouble and not self._trouble:
            log.warning("videos wait for the index: %s", trouble)
        if self._trouble and not trouble:
            log.info("the index takes videos again")
        self._trouble = trouble
