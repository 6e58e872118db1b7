"""What a worker and a command import, imported once in the process that they are forked off; see forked.py."""

from importlib import import_module

from encoders.annotate.language import load_detector

MODULES = (
    *("rich.console", "rich.table", "typer.testing"),
    *("streams.cli", "streams.kafka.topic_admin", "streams.worker.run"),
    *(f"streams.profiles.{name}" for name in ("agent", "store", "trends")),
    "streams.indexing.agent",
    "streams.api.server",
    *("encoders.embedder", "streams.encoding.agent", "streams.encoding.media_loader", "streams.kafka.owned_state"),
    *("streams.encoding.timed_encoders", "streams.metrics.exposition"),
    *("ranker.feeds.home", "ranker.retrieval.exact", "streams.qdrant.index"),
    *(f"streams.ranking.{name}" for name in ("agent", "catalogue_replica", "progress", "slates")),
)

for _name in MODULES:
    import_module(_name)
load_detector()  # 0.6 s of CPU; the ONNX models are opened after the fork, for onnxruntime promises nothing across one
