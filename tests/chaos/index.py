"""K8, K9: the index is away, slow, silent, wrong now and then, lost, emptied or strict; and the embedded one lost."""

import asyncio
import os
import re
import signal
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, nullcontext, suppress
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from encoders.fusion.embeddings import DIM
from encoders.fusion.fusion import VERSION
from encoders.modalities.configured import modalities_of
from ranker.retrieval.index import IndexedVideo
from schemas.messages import videos
from schemas.settings.model import Settings
from schemas.topics import FEATURES, RECOMMENDATIONS
from streams.indexing.step import to_indexed_video
from streams.qdrant.client import connect
from streams.qdrant.index import open_index
from streams.qdrant.mapping import alias_of, collection_name
from tests.chaos.check import encoder_faults
from tests.chaos.degraded import degraded_slates, still_away
from tests.chaos.load import fill
from tests.chaos.proxy import HOST, Proxy
from tests.chaos.rig import Rig, System, Worker, judged, wait
from tests.chaos.topics import ends, read_all
from tests.support.qdrant_stub import Answer, QdrantStub, running

T = TypeVar("T")
RATE = 20.0  # the stub is Python, too
FILLED = 200  # videos in the index from the start
PAGE = 40  # points of an answer, as many as the strict mode below allows
STRICT: dict[str, Any] = {
    "enabled": True,
    "upsert_max_batchsize": 20,
    "search_max_batchsize": 4,
    "max_query_limit": 40,
    "search_max_hnsw_ef": 64,
    "filter_max_conditions": 90,
    "condition_max_size": 50,
    "unindexed_filtering_update": False,
    "unindexed_filtering_retrieve": False,
}


class Server:
    """The Qdrant stub in a thread of its own, or the server that FRESHET_TEST_QDRANT names; with a proxy before it."""

    def __init__(self) -> None:
        url = os.environ.get("FRESHET_TEST_QDRANT")
        self.stub, self.url = None if url else QdrantStub(), url or ""
        self._client = self.stub._store if self.stub else connect(self.url)
        self.loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self.loop.run_until_complete, args=(self._serve(),), daemon=True)

    async def _serve(self) -> None:
        async with running(self.stub) if self.stub else nullcontext():
            self.url = self.stub.url if self.stub else self.url
            self._ready.set()
            await self._end.wait()

    @contextmanager
    def proxied(self) -> Iterator[Proxy]:
        """Serve for the time of a `with`."""
        self._thread.start()
        self._ready.wait()
        with Proxy(urlsplit(self.url).port or 6333) as proxy:
            yield proxy
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def stumble(self, proxy: Proxy) -> None:
        """Fail one request: never two ahead, for they would outlast the load."""
        if self.stub is None:
            with proxy.broken("reset"):
                return
        if not self.stub.plan:
            self.loop.call_soon_threadsafe(self.stub.next, Answer(503))

    def ids(self, collection: str) -> set[str]:
        """Ids of all videos that it holds."""
        found: set[str] = set()
        after: Any = None
        while True:
            try:
                points, after = self._done(self._client.scroll(collection, limit=PAGE, offset=after))
            except ValueError:  # it is gone, says the stub's store
                return set()
            except UnexpectedResponse as error:
                if error.status_code != HTTPStatus.NOT_FOUND:
                    raise
                return set()
            found.update(str(one.payload["video_id"]) for one in points if one.payload and "video_id" in one.payload)
            if after is None:
                return found

    def wipe(self, collection: str) -> None:
        """Delete the collection that an alias names."""
        self._done(self._client.delete_collection(self._behind(collection)))

    def empty(self, collection: str) -> None:
        """Take everything out of the collection that an alias names, and leave the collection."""
        everything = models.FilterSelector(filter=models.Filter(must=[]))
        self._done(self._client.delete(self._behind(collection), everything, wait=True))

    def be_strict(self, collection: str) -> None:
        """From now on take less in one request than workers ask for by themselves."""
        if self.stub is not None:
            self.stub.strict = models.StrictModeConfigOutput(**STRICT)
            return
        limits = models.StrictModeConfig(**STRICT)
        self._done(self._client.update_collection(self._behind(collection), strict_mode_config=limits))

    def _behind(self, alias: str) -> str:
        known = self._done(self._client.get_aliases()).aliases
        [name] = [one.collection_name for one in known if one.alias_name == alias]
        return name

    def _done(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(30)


def troubled(rig: Rig) -> dict[str, Any]:
    """K8: slates go on with `degraded` while the index is away or lost, and in the end it holds every upload."""
    broken: list[str] = []
    seconds = rig.size(4.0, 30.0)
    server = Server()
    with server.proxied() as proxy, rig.system("k8", encoder=True, qdrant_url=f"http://{HOST}:{proxy.port}") as system:
        collection = collection_name(alias_of(system.settings), VERSION, DIM)
        asyncio.run(put(system.settings, some(system, FILLED)))
        faults: list[tuple[float, float]] = []
        began_s = time.monotonic()
        with proxy.broken("refuse"):  # when all of them start
            agents = [system.start(agent) for agent in ("profiles", "ranker", "encoder", "indexer")]
            system.begin(RATE, rig.seed)
            wait("all others work", lambda: all(one.mark("confirmed") for one in agents[:-1]))
            system.keep_up(seconds)
            faults.append((began_s, time.monotonic()))
        wait("all work", lambda: agents[-1].mark("poll") is not None)
        wait("the index is used", lambda: not still_away(agents[1]))
        system.keep_up(2.0)
        for mode, value in (("refuse", 0), ("delay", 2000), ("blackhole", 0)):
            before = ends(system.settings, RECOMMENDATIONS)
            began_s = time.monotonic()
            with proxy.broken(mode, value):  # type: ignore[arg-type]
                system.keep_up(seconds)
                if mode == "blackhole":
                    rebalanced(system, agents[1])
                faults.append((began_s, time.monotonic()))
                if ends(system.settings, RECOMMENDATIONS) == before:
                    broken.append(f"no slate went out while the index was at {mode}")
            system.keep_up(1.0)
        for _ in range(round(seconds / 0.2)):
            server.stumble(proxy)
            system.keep_up(0.2)
        for lose in (server.wipe, server.empty, server.be_strict):
            lose(collection)
            system.keep_up(seconds)
            with suppress(RuntimeError):  # what follows says so
                wait("the index is used again", lambda: not still_away(agents[1]), 60)
        figures = system.finish()
        wanted = live_videos(system)
        with suppress(RuntimeError):  # what is missing is said below
            wait("the index is full again", lambda: wanted <= server.ids(collection), 60)
        held = server.ids(collection)
    seen = degraded_slates(system, agents[1], faults)
    broken += seen.pop("broken")
    if missing := wanted - held:
        broken.append(f"{len(missing)} uploads are not in the index")
    return judged(figures | {"indexed": len(held), **seen}, *broken)


def rebalanced(system: System, ranker: Worker) -> None:
    """Let another ranking agent come and go while both do without the index."""
    wait("the index is missed", lambda: still_away(ranker), 30)
    other = system.start("ranker")
    wait("it has its share", lambda: other.mark("confirmed") is not None)
    system.asked_to_end(other)
    other.kill(signal.SIGTERM)
    wait("it has ended", lambda: not other.alive(), 30)
    system.keep_up(1.0)


def some(system: System, count: int) -> list[IndexedVideo]:
    """Videos that were there before the encoder came."""
    found: list[IndexedVideo] = []
    modalities = modalities_of(system.settings)

    def take(record: Any) -> None:
        if len(found) < count and (video := to_indexed_video(videos.decode_features(record.value), modalities)):
            found.append(video)

    read_all(system.settings, FEATURES, take)
    return found


async def put(settings: Settings, shelf: list[IndexedVideo]) -> None:
    """Put videos into the index of these settings."""
    index = await open_index(settings, DIM, VERSION)
    await index.upsert(shelf)
    await index.close()


def live_videos(system: System) -> set[str]:
    """Videos that the encoder has encoded and nobody has withdrawn."""
    last: dict[str, videos.CatalogueRecord] = {}

    def take(record: Any) -> None:
        one = videos.decode_features(record.value)
        last[one.video_id] = one

    read_all(system.settings, FEATURES, take)
    modalities = modalities_of(system.settings)
    # what `fill` published has a retrieval vector of this version, too, but nothing that an encoder made
    return {
        name
        for name, one in last.items()
        if isinstance(one, videos.Encoded)
        and any(modalities.is_current(name, of.encoder) for name, of in one.vectors.items())
    }


def wiped(rig: Rig) -> dict[str, Any]:
    """K9: the embedded index is gone with its process; a restart makes it again from features.v1, with the same ids."""
    count = rig.size(2000, 10_000)
    broken: list[str] = []
    with rig.system("k9") as system:
        fill(system.settings, count)
        system.start("profiles")
        first = system.start("ranker")
        system.begin(RATE, rig.seed)
        wait("it works", lambda: first.mark("confirmed") is not None)
        system.keep_up(1.0)
        system.asked_to_end(first)
        first.kill(signal.SIGKILL)
        began = time.monotonic()
        second = system.start("ranker")
        wait("it works again", lambda: second.mark("confirmed") is not None)
        again_s = round(time.monotonic() - began, 1)
        figures = system.finish()
        lost, _ = encoder_faults(system.settings)
    read = [re.search(r"catalogue of (\d+) videos read in ([\d.]+) s", one.said()) for one in (first, second)]
    counts = [int(found[1]) for found in read if found]
    if len(counts) != 2 or abs(counts[0] - counts[1]) > 2 * again_s + 20:  # some were withdrawn or came meanwhile
        broken.append(f"the catalogue held {counts} videos before and after")
    seconds = [float(found[2]) for found in read if found]
    return judged(
        figures | {"videos": counts, "read_s": seconds, "recovery_s": again_s}, *broken, *[f"{lost}"] * bool(lost)
    )
