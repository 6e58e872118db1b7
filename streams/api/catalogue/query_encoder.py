"""Words of a search as a vector."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from encoders.base import ModelError, Vectors
from encoders.modalities.text import TextEncoder
from encoders.models.manifest import folder_of
from schemas.settings.model import Settings
from streams.api.errors import ProblemError


class NoWordError(ProblemError):
    """A query that asks for nothing: emoji, blanks, punctuation."""

    def __init__(self) -> None:
        super().__init__(422, "There is no word in the query: say what the videos should be about.")


class QueryEncoder:
    """The text encoder, opened by the first search; it works in a thread of its own, one query after another."""

    def __init__(self, settings: Settings) -> None:
        self._folder, self._text_model = folder_of(settings.cache_dir), settings.text_model
        self._thread = ThreadPoolExecutor(1, "query-encoder")
        self._encoder: TextEncoder | None = None

    async def vector(self, words: str) -> Vectors:
        """Float32 [384]; a NoWordError where there is no word among them, a ProblemError where there is no model."""
        try:
            vector = await asyncio.get_running_loop().run_in_executor(self._thread, self._encode, words)
        except ModelError as error:
            raise ProblemError(503, f"{error}. Run `freshet export` where the API runs.") from error
        if not vector.any():
            raise NoWordError
        return vector

    def close(self) -> None:
        """Take no more queries."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _encode(self, words: str) -> Vectors:
        if self._encoder is None:
            self._encoder = TextEncoder(self._folder, model=self._text_model, provider="cpu")
        vector: Vectors = self._encoder.encode([words])[0]
        return vector
