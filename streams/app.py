"""Builds the Faust app of each agent from the settings; `faust -A streams.app:profiles worker` finds them here."""

import logging
import os
import time
from pathlib import Path
from typing import Any

import faust

from schemas.settings.load import load, settings_file
from schemas.settings.model import Settings
from schemas.topics import FEATURES, MAX_RECORD_BYTES, UPLOADS
from streams.kafka.confirmed_producer import ConfirmedProducer
from streams.kafka.security import librdkafka_options
from streams.kafka.transport import Transport

log = logging.getLogger("freshet")

NAMES = ("profiles", "encoder", "ranker")
ENCODER_POLL, RANKER_POLL = 200, 8000  # a rebalance waits for the poll in hand: a few seconds of work
BATCH_BYTES = 1024 * 1024  # of one produce request per partition


def new_app(name: str, settings: Settings, at_most: int = 1_000_000) -> Any:
    """A batch-wise Faust app whose consumer group is prefix and name; a poll brings `at_most` records."""
    datadir = settings.data_dir / "faust" / name
    datadir.mkdir(parents=True, exist_ok=True)  # Faust makes the last folder only
    app = faust.App(
        f"{settings.prefix}{name}",
        broker=[f"kafka://{address.strip()}" for address in settings.bootstrap.split(",")],
        datadir=datadir,
        key_serializer="raw",
        value_serializer="raw",
        web_enabled=False,  # Faust's own is open to everybody and serves state
        topic_allow_declare=False,  # `freshet topics` makes topics
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_wait_empty=True,  # revocation waits for the poll in hand
        broker_commit_interval=1.0,
        broker_max_poll_records=min(settings.poll_records, at_most),
        broker_request_timeout=40.0,
        consumer_max_fetch_size=MAX_RECORD_BYTES,
        consumer_auto_offset_reset="earliest",
        producer_max_batch_size=BATCH_BYTES,
        producer_max_request_size=MAX_RECORD_BYTES,
    )
    app.transport = app.producer_transport = Transport(app, librdkafka_options(settings))
    return app


def profiles_app(settings: Settings) -> Any:
    """Feedback to profiles and trends."""
    from streams.profiles.agent import declare
    from streams.profiles.store import ProfileStore
    from streams.profiles.trends import OwnedTrends

    app = new_app("profiles", settings)
    out = ConfirmedProducer(app)
    declare(app, settings, ProfileStore(app, settings, out), OwnedTrends(app, settings), out)
    return app


def encoder_app(settings: Settings) -> Any:
    """Uploads to features, and to a Qdrant server where one is set."""
    from encoders.embedder import VideoEmbedder
    from schemas.messages import videos
    from streams.encoding.agent import declare
    from streams.encoding.media_loader import MediaLoader
    from streams.kafka.owned_state import OwnedState

    app = new_app("encoder", settings, at_most=ENCODER_POLL)
    describer = VideoEmbedder.of(settings)
    source, changelog = UPLOADS.full(settings.prefix), FEATURES.full(settings.prefix)
    out = ConfirmedProducer(app)
    known = OwnedState(app, settings, source, changelog, videos.decode_time, int, out)
    declare(app, settings, describer, MediaLoader(settings), _server_index(app, settings), known, out)
    return app


def ranker_app(settings: Settings) -> Any:
    """Changed profiles to slates."""
    from encoders.fusion.embeddings import fusion_of
    from encoders.fusion.fusion import version_of
    from ranker.catalogue.catalogue import Catalogue
    from ranker.feeds.feed import FeedContext
    from ranker.feeds.load import build_feed
    from ranker.retrieval.exact import ExactIndex
    from streams.ranking.agent import declare
    from streams.ranking.catalogue_replica import CatalogueReplica
    from streams.ranking.progress import RankedOffsets
    from streams.ranking.slates import models_of

    app = new_app("ranker", settings, at_most=RANKER_POLL)
    fusion = fusion_of(settings)
    encoder = version_of(fusion.version)
    catalogue = Catalogue(encoder=encoder)
    shared = CatalogueReplica(settings, catalogue, fusion)
    index = _server_index(app, settings) or ExactIndex(catalogue)
    pipeline = build_feed(FeedContext(catalogue, index, settings, clock=time.perf_counter))
    out = ConfirmedProducer(app)
    declare(app, settings, shared, pipeline, models_of(pipeline, encoder), RankedOffsets(app, settings, out), out)
    app.task(shared.run)
    return app


BUILDERS = {"profiles": profiles_app, "encoder": encoder_app, "ranker": ranker_app}


def _server_index(app: Any, settings: Settings) -> Any:
    """The Qdrant server that is set, or None; it is looked at before the first event."""
    if not settings.qdrant_url:
        return None
    from encoders.fusion.embeddings import DIM, fusion_of
    from encoders.fusion.fusion import version_of
    from streams.qdrant.index import index_of

    index = index_of(settings, DIM, version_of(fusion_of(settings).version))

    async def start(*_: Any, **__: Any) -> None:
        await index.start()

    app.on_rebalance_complete.connect(start, weak=False)
    return index


def __getattr__(name: str) -> Any:
    """The apps by name, built when asked for: Faust's command line asks for `profiles`, `encoder` or `ranker`."""
    if name not in BUILDERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; the apps are {', '.join(NAMES)}")
    app = globals()[name] = BUILDERS[name](load({}, os.environ, settings_file(os.environ, Path.cwd())).settings)
    return app
