"""Every metric of Freshet's own: its name, what it is, its labels and its meaning. docs/metrics.md has the same table.

No label is a person or a video: what a label may say is bounded by topics, partitions, agents and the models' names.
"""

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]

AGE_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 21600.0)
SLATE_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
STAGE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
ENCODE_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
RECORDS = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 20_000.0)


class Metric(NamedTuple):
    """One metric; a histogram has the upper bounds of its buckets, in the unit of its name."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()


TABLE = (
    Metric("freshet_worker_info", "gauge", ("agent", "version"), "1: which agent this is, and Freshet's version"),
    Metric(
        "freshet_worker_ready",
        "gauge",
        ("agent",),
        "1 while records are read and nothing outside holds the worker up, else 0",
    ),
    Metric("freshet_waiting", "gauge", ("agent", "what"), "1 for each thing outside that the worker waits for"),
    Metric(
        "freshet_recovery_seconds",
        "gauge",
        ("agent",),
        "seconds from the last assignment of partitions, or from the start, until records were read, to about a second",
    ),
    Metric(
        "freshet_lag_records",
        "gauge",
        ("agent", "topic", "partition"),
        "records that may be read and are not done",
    ),
    Metric(
        "freshet_open_transaction_records",
        "gauge",
        ("agent", "topic", "partition"),
        "records that a producer's open transaction holds back from every reader",
    ),
    Metric("freshet_in_flight_records", "gauge", ("agent",), "records of the in-flight batch"),
    Metric("freshet_records_read_total", "counter", ("agent", "topic"), "records that the agent was handed"),
    Metric("freshet_batch_records", "histogram", ("agent",), "records of one batch", RECORDS),
    Metric(
        "freshet_record_age_seconds",
        "histogram",
        ("agent", "topic"),
        "seconds from the time at which Kafka stamped a record until the agent was handed it",
        AGE_S,
    ),
    Metric("freshet_dead_letters_total", "counter", ("agent", "reason"), "records that became dead letters"),
    Metric("freshet_catalogue_videos", "gauge", (), "videos that the worker knows and that are not withdrawn"),
    Metric("freshet_slates_total", "counter", (), "slates that were published, those of erased people left out"),
    Metric(
        "freshet_coalesced_profiles_total",
        "counter",
        (),
        "profiles that got no slate of their own: a newer one of the same person was in the batch, or has one already",
    ),
    Metric(
        "freshet_degraded_slates_total",
        "counter",
        ("source",),
        "slates that a source gave nothing for, since what it asks was away",
    ),
    Metric("freshet_exhausted_slates_total", "counter", (), "slates of people who have seen all that may be shown"),
    Metric("freshet_slate_items_total", "counter", (), "places of those slates"),
    Metric("freshet_explored_items_total", "counter", (), "places that were drawn, for exploration"),
    Metric(
        "freshet_slate_diversity",
        "histogram",
        (),
        "1 less the mean cosine of two videos of a slate, of up to twenty slates a second",
        SHARES,
    ),
    Metric(
        "freshet_event_to_slate_seconds",
        "histogram",
        (),
        "seconds from the time of the event that a slate reflects until the slate was made",
        SLATE_S,
    ),
    Metric(
        "freshet_rank_stage_seconds",
        "histogram",
        ("stage",),
        "seconds that a batch of up to 64 people spends in a stage of ranking",
        STAGE_S,
    ),
    Metric(
        "freshet_model_info",
        "gauge",
        ("part", "version"),
        "1: which version of a part is in use",
    ),
    Metric("freshet_parameters_number", "gauge", (), "number of the learned parameters that are in use"),
    Metric("freshet_index_up", "gauge", (), "1 while slates may ask the vector index of a Qdrant server, else 0"),
    Metric(
        "freshet_index_complete",
        "gauge",
        (),
        "1 while the collection is known to have the catalogue, else 0; absent of an indexer without partitions",
    ),
    Metric(
        "freshet_encode_seconds",
        "histogram",
        ("modality", "provider"),
        "seconds that an encoder takes for one batch of videos",
        ENCODE_S,
    ),
    Metric("freshet_encoded_videos_total", "counter", ("modality", "provider"), "videos that an encoder was given"),
    Metric("freshet_pending_media", "gauge", (), "uploads whose media are being loaded"),
    Metric("freshet_learned_exposures_total", "counter", (), "exposures that were learned from"),
    Metric("freshet_rejected_exposures_total", "counter", (), "exposures of windows that the gate gave up"),
    Metric(
        "freshet_learning_log_loss_total",
        "counter",
        ("outcome",),
        "sum of the log loss, in nats, of what was predicted of exposures before they were learned",
    ),
    Metric(
        "freshet_learning_expected_total",
        "counter",
        ("outcome",),
        "sum of the probabilities that were predicted of them",
    ),
    Metric("freshet_learning_observed_total", "counter", ("outcome",), "how many of them came out so"),
    Metric(
        "freshet_learning_auc",
        "gauge",
        ("outcome",),
        "AUC of those predictions over the last 10,000 exposures; absent while they came out all the same",
    ),
)
