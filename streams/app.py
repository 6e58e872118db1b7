"""Builds the Faust app of each agent from the settings; `faust -A streams.app:profiles worker` finds them here."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from encoders.base import Content
from encoders.fusion.embeddings import DIM, fusion_of
from encoders.fusion.fusion import version_of
from encoders.modalities.configured import modalities_of
from ranker.catalogue.catalogue import Catalogue
from ranker.feeds.feed import FeedContext
from ranker.feeds.load import build_feed, learned_of
from ranker.retrieval.exact import ExactIndex
from ranker.retrieval.index import VideoIndex
from schemas.agents import Agent
from schemas.messages.videos import CatalogueRecord, Uploads
from schemas.settings.load import load, settings_file
from schemas.settings.model import Settings
from schemas.topics import (
    ERASED,
    ERASURES,
    EVENT_IDS,
    EXAMPLES,
    FEATURES,
    FEEDBACK,
    MAX_RECORD_BYTES,
    PROFILES,
    RECOMMENDATIONS,
    TRENDS,
    UPLOADS,
    WEIGHTS,
    Topic,
)
from streams.errors import OperatorError
from streams.kafka.app import BatchApp
from streams.kafka.client import SELDOM
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.owned_state import OwnedState
from streams.kafka.rebalance import on_assigned
from streams.kafka.records import partition_of
from streams.kafka.transport import Transport
from streams.learning import agent as learning_agent
from streams.learning.facts import VideoFactsState
from streams.learning.step import LearnStep
from streams.learning.store import OwnedLearner
from streams.metrics.measures import Measures, one
from streams.profiles import agent as profiles_agent
from streams.profiles.step import ProfilesStep
from streams.profiles.store import OwnedPartitions
from streams.ranking import agent as ranking_agent
from streams.ranking.catalogue_replica import CatalogueReplica
from streams.ranking.diversity import SlateDiversity
from streams.ranking.measured import measure_shared_state
from streams.ranking.progress import RankedOffsets
from streams.ranking.sequence import sequence_of
from streams.ranking.shared_state import SharedState
from streams.ranking.slates import models_of
from streams.ranking.step import RankStep

# A rebalance waits for the in-flight poll: a few seconds of work.
ENCODER_POLL, INDEXER_POLL, RANKER_POLL, LEARNER_POLL = 200, 2000, 8000, 2000
BATCH_BYTES = 1024 * 1024  # of one produce request per partition


def new_app(name: str, settings: Settings, at_most: int = 1_000_000) -> BatchApp:
    """A batch-wise Faust app whose consumer group is prefix and name; a poll brings `at_most` records."""
    datadir = settings.data_dir / "faust" / name
    datadir.mkdir(parents=True, exist_ok=True)  # Faust makes the last folder only
    app = BatchApp(
        f"{settings.prefix}{name}",
        broker=[f"kafka://{address.strip()}" for address in settings.bootstrap.split(",")],
        datadir=datadir,
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,  # Faust's own is open to everybody and serves state
        topic_allow_declare=False,  # `freshet topics` makes topics
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_wait_empty=True,  # revocation waits for the in-flight poll
        broker_commit_interval=1.0,
        broker_max_poll_records=min(settings.poll_records, at_most),
        broker_request_timeout=40.0,
        consumer_max_fetch_size=MAX_RECORD_BYTES,
        consumer_auto_offset_reset="earliest",
        producer_max_batch_size=BATCH_BYTES,
        producer_max_request_size=MAX_RECORD_BYTES,
    )
    app.transport = app.producer_transport = Transport(app, settings)
    return app


def build_profiles(settings: Settings, measures: Measures) -> BatchApp:
    """Feedback to profiles and trends."""
    app = new_app(Agent.PROFILES, settings)
    out = ConfirmedProducer(app)
    states = OwnedPartitions(app, settings, out)
    source = {FEEDBACK: (FEEDBACK, PROFILES), ERASURES: (ERASURES,)}
    _follow(app, settings, source, ERASED, EVENT_IDS, TRENDS, EXAMPLES)
    profiles_agent.declare(app, settings, ProfilesStep(settings, states, for_learning=True), out, measures)
    return app


def build_encoder(settings: Settings, measures: Measures) -> BatchApp:
    """Uploads to features."""
    from encoders.embedder import VideoEmbedder  # loads onnxruntime, tokenizers and a language model: this agent alone
    from streams.encoding import agent as encoding_agent  # and an HTTP client
    from streams.encoding.media_loader import MediaLoader
    from streams.encoding.pending_media import PendingMedia
    from streams.encoding.step import EmbedStep
    from streams.encoding.timed_encoders import TimedEncoders
    from streams.encoding.versions import StoredVersion, stored_version

    app = new_app(Agent.ENCODER, settings, at_most=ENCODER_POLL)
    out, embedder = ConfirmedProducer(app), VideoEmbedder.of(settings)
    embedder = replace(embedder, encoders=TimedEncoders(embedder.encoders, measures))
    measures.gauge("freshet_model_info", lambda: [(("moderation", embedder.moderation.version), 1.0)])
    media = PendingMedia(MediaLoader(settings).load)
    _follow(app, settings, {UPLOADS: (UPLOADS, FEATURES)})
    source, changelog = UPLOADS.full(settings.prefix), FEATURES.full(settings.prefix)
    versions = OwnedState(app, settings, source, changelog, stored_version, lambda one: one.order, out)
    on_assigned(app, versions.recover_assigned)

    async def embed(uploads: Sequence[Uploads], contents: Sequence[Content | None]) -> list[CatalogueRecord]:
        return await asyncio.to_thread(embedder.features, uploads, contents)

    def versions_of(video_id: str) -> dict[str, StoredVersion]:
        return versions.of(partition_of(video_id.encode(), settings.partitions))

    encoding_agent.declare(app, settings, EmbedStep(settings, embed, media, versions_of), media, out, measures)
    return app


def build_indexer(settings: Settings, measures: Measures) -> BatchApp:
    """Features to a Qdrant server."""
    if not settings.qdrant_url:
        raise OperatorError("No Qdrant server is set, so there is nothing to index.", "Set FRESHET_QDRANT_URL.")
    from streams.indexing import agent as indexing_agent  # and with it qdrant-client: this agent alone
    from streams.indexing.keeper import IndexKeeper
    from streams.indexing.step import IndexStep
    from streams.qdrant.index import index_of

    app = new_app(Agent.INDEXER, settings, at_most=INDEXER_POLL)
    _follow(app, settings, {FEATURES: (FEATURES,)})
    out, fusion = ConfirmedProducer(app), fusion_of(settings)
    keeper = IndexKeeper(app, settings, index_of(settings, DIM, version_of(fusion.version)))
    indexing_agent.declare(app, settings, IndexStep(fusion, modalities_of(settings)), keeper, out, measures)
    return app


def build_ranker(settings: Settings, measures: Measures) -> BatchApp:
    """Changed profiles to slates."""
    app = new_app(Agent.RANKER, settings, at_most=RANKER_POLL)
    _follow(app, settings, {PROFILES: (PROFILES, RECOMMENDATIONS)}, FEATURES, TRENDS, ERASURES, WEIGHTS)
    out, fusion = ConfirmedProducer(app), fusion_of(settings)
    encoder = version_of(fusion.version)
    catalogue = Catalogue(encoder=encoder, holds_vectors=settings.hold_vectors)
    shared = SharedState(settings, catalogue, fusion, learned_of(settings))
    replica = CatalogueReplica(settings, shared, app.transport.watch, app.transport.waits)
    index: VideoIndex = ExactIndex(shared.catalogue)
    if settings.qdrant_url:
        index = _server_index(app, settings, shared.catalogue, replica, measures)
    context = FeedContext(
        shared.catalogue,
        index,
        settings,
        clock=time.perf_counter,
        learned=shared.learned,
        sequence=sequence_of(settings),
    )
    pipeline = build_feed(context)
    models = models_of(pipeline, encoder)
    measure_shared_state(measures, shared, models)
    step = RankStep(
        settings,
        shared,
        pipeline.recommend,
        models,
        now_ms=lambda: time.time() * 1000,
        wait_until_current=lambda: replica.wait_until_current(lambda: app.should_stop),
    )
    diversity = SlateDiversity(measures, catalogue)
    app.quality = diversity.figures
    ranking_agent.declare(app, settings, replica, RankedOffsets(app, settings, out), step, out, measures, diversity)
    app.transport.between_polls.append(shared.give_back)
    app.task(replica.run)
    return app


def build_learner(settings: Settings, measures: Measures) -> BatchApp:
    """Examples to parameters: of several such workers one learns, and the others stand by."""
    app = new_app(Agent.LEARNER, settings, at_most=LEARNER_POLL)
    app.transport.fetching = SELDOM
    _follow(app, settings, {EXAMPLES: (EXAMPLES, WEIGHTS)}, FEATURES)
    out, videos = ConfirmedProducer(app), VideoFactsState()
    replica = CatalogueReplica(settings, videos, app.transport.watch, app.transport.waits)
    step = LearnStep(settings, OwnedLearner(app, settings, out), videos.facts, videos.withdrawn)
    learning_agent.declare(app, settings, replica, step, out, measures)
    app.task(replica.run)
    return app


BUILDERS = {
    Agent.PROFILES: build_profiles,
    Agent.ENCODER: build_encoder,
    Agent.INDEXER: build_indexer,
    Agent.RANKER: build_ranker,
    Agent.LEARNER: build_learner,
}


def _follow(app: BatchApp, settings: Settings, depends_on: Mapping[Topic, Sequence[Topic]], *also: Topic) -> None:
    """Have the worker notice when topics are made again, or get more partitions.

    depends_on  by source topic those whose making again means that it has to be read from its beginning
    """
    for source, topics in depends_on.items():
        app.transport.depends_on[source.full(settings.prefix)] = [one.full(settings.prefix) for one in topics]
    followed = {*also, *(one for topics in depends_on.values() for one in topics)}
    app.transport.watch.follow(one.full(settings.prefix) for one in followed)


def _server_index(
    app: BatchApp, settings: Settings, catalogue: Catalogue, replica: CatalogueReplica, measures: Measures
) -> VideoIndex:
    """The Qdrant server that is set, opened and watched beside the work: no slate waits for it."""
    from streams.qdrant.index import reader_of  # half a second of qdrant-client, for who has a server
    from streams.qdrant.watched_index import Seen, WatchedIndex

    topic = FEATURES.full(settings.prefix)

    def seen() -> Seen | None:
        if not replica.ready.is_set():
            return None
        positions = {partition: at for (name, partition), at in replica.read.items() if name == topic}
        return Seen(replica.topic_id(topic), positions, catalogue.size, catalogue.compactions)

    index = reader_of(settings, DIM, version_of(fusion_of(settings).version))
    watched = WatchedIndex(index, settings.partitions, seen)
    app.task(watched.run)
    measures.gauge("freshet_index_up", one(lambda: watched.is_up))
    measures.gauge("freshet_index_complete", one(lambda: watched.is_complete))
    return watched


def __getattr__(name: str) -> BatchApp:
    """The apps by name, built when asked for: Faust's command line asks for `profiles`, for one."""
    if name not in BUILDERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; the apps are {', '.join(BUILDERS)}")
    settings = load({}, os.environ, settings_file(os.environ, Path.cwd())).settings
    app = globals()[name] = BUILDERS[Agent(name)](settings, Measures())
    return app
