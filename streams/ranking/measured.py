"""What the ranking agent measures: of each batch of slates, and of its shared state when it is asked."""

from collections import Counter
from collections.abc import Mapping, Sequence

from streams.metrics.measures import Measures, Readings, one
from streams.ranking.shared_state import SharedState
from streams.ranking.step import Answer

NO_STAGES = ("queued", "total")  # of one slate, and not of the batch


def observe_slates(measures: Measures, answers: Sequence[Answer]) -> None:
    """Count a batch of slates, and note how long they took."""
    slates = [answer.slate for answer in answers if answer.slate is not None]
    if not slates:
        return
    measures.count("freshet_slates_total", len(slates))
    measures.count("freshet_exhausted_slates_total", sum(slate.exhausted for slate in slates))
    for source, count in Counter(source for slate in slates for source in slate.degraded).items():
        measures.count("freshet_degraded_slates_total", count, source=source)
    spent_s = [max(0, slate.generated_at_ms - slate.trigger.at_ms) / 1000 for slate in slates]
    measures.observe("freshet_event_to_slate_seconds", spent_s)
    for stage, spent_ms in slates[0].timings_ms.items():
        if stage not in NO_STAGES:
            measures.observe("freshet_rank_stage_seconds", [spent_ms / 1000], stage=stage)


def measure_shared_state(measures: Measures, shared: SharedState, models: Mapping[str, str]) -> None:
    """Say how many videos are known, by which models slates are made, and which parameters are in use.

    models  names and versions of what does not change
    """

    def versions() -> Readings:
        return [((part, version), 1.0) for part, version in models.items()]

    measures.gauge("freshet_catalogue_videos", one(lambda: len(shared)))
    measures.gauge("freshet_model_info", versions)
    measures.gauge("freshet_parameters_number", one(lambda: shared.parameters_number))
