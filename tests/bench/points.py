"""What the indexer pays to keep a video in Qdrant, from the record to the bytes of the request.

`python -m tests.bench.points`: CPU of one thread. No server is asked, so its own work is not in the figures.
"""

import asyncio
import time
from collections.abc import Sequence

import httpx
import numpy as np
from qdrant_client import AsyncQdrantClient

from encoders.base import unit_rows
from encoders.fusion.embeddings import DIM, RETRIEVAL
from encoders.fusion.fusion import VERSION
from schemas.messages.vectors import encode_vector
from schemas.messages.videos import Encoded
from streams.indexing.step import to_indexed_video
from streams.qdrant.index import QdrantIndex
from tests.support.models import built_in

VIDEOS, ROUNDS = 256, 7
BUILT_IN = built_in()
MODALITIES = BUILT_IN.dims
LABELS = {f"image:something of the {n} names": 0.5 for n in range(8)}


def described(number: int, modalities: Sequence[str]) -> Encoded:
    """A video with random vectors of these modalities and of retrieval."""
    rng = np.random.default_rng(number)
    made_by = {RETRIEVAL: VERSION} | {
        one.name: f"{one.name}@{one.version}" for one in BUILT_IN if one.name in modalities
    }
    rows = {name: unit_rows(rng.standard_normal((1, MODALITIES.get(name, DIM))).astype(np.float32)) for name in made_by}
    vectors = {name: vector for name, by in made_by.items() if (vector := encode_vector(by, rows[name][0]))}
    about = {"title": "A title of some forty characters, or more", "tags": ["a", "b"], "labels": LABELS}
    return Encoded(video_id=f"v{number}", at_ms=number, vectors=vectors, **about)  # type: ignore[arg-type]


async def cost(modalities: Sequence[str]) -> tuple[float, float]:
    """CPU in µs and kB a video, the best of some rounds."""
    sent: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(len(request.content))
        return httpx.Response(200, json={"result": {"status": "completed"}, "status": "ok", "time": 0.0})

    client = AsyncQdrantClient("http://127.0.0.1", check_compatibility=False, transport=httpx.MockTransport(answer))
    index = QdrantIndex(client, "videos", DIM, VERSION, modalities=MODALITIES)
    videos = [described(n, modalities) for n in range(VIDEOS)]
    spent = []
    for _ in range(ROUNDS):
        sent.clear()
        began = time.process_time()
        await index.upsert([found for video in videos if (found := to_indexed_video(video, BUILT_IN))])
        spent.append(time.process_time() - began)
    await index.close()
    return min(spent) / VIDEOS * 1e6, sum(sent) / VIDEOS / 1000


def main() -> None:
    """Print a line for each set of modalities."""
    for modalities in ((), ("text",), tuple(MODALITIES)):
        us, kb = asyncio.run(cost(modalities))
        print(f"{', '.join((RETRIEVAL, *modalities)):<32} {us:6.0f} µs {kb:6.1f} kB a video")


if __name__ == "__main__":
    main()
