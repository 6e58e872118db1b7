"""Builds the pipeline of the feed that the setting `feed` names."""

from ranker.feeds.feed import FeedContext
from ranker.pipeline.pipeline import Pipeline
from schemas.settings.load import SettingsError
from schemas.settings.plugins import call_function

VARIABLE = "FRESHET_FEED"


def build_feed(context: FeedContext) -> Pipeline:
    """The pipeline of the feed that the settings name; a SettingsError says what is wrong with it."""
    place = context.settings.feed
    pipeline = call_function(VARIABLE, place, context)
    if not isinstance(pipeline, Pipeline):
        kind = type(pipeline).__name__
        raise SettingsError(f"{VARIABLE}={place} returned a {kind} instead of a ranker.pipeline.pipeline.Pipeline.")
    return pipeline
