"""Builds the pipeline of the feed that the setting `feed` names."""

from pathlib import Path

from ranker.feeds.feed import FeedContext
from ranker.feeds.ranking_table import RankingError, RankingTable, read_table, usual_table
from ranker.learning.parameters import Learned
from ranker.learning.storage import ParametersError, read
from ranker.pipeline.kernel import switch
from ranker.pipeline.pipeline import Pipeline
from schemas.settings.load import SettingsError
from schemas.settings.model import Settings
from schemas.settings.plugins import call_function

VARIABLE = "FRESHET_FEED"


def learned_of(settings: Settings) -> Learned:
    """What the settings say to rank by; a SettingsError says what is wrong with it."""
    return parameters_in(settings.parameters, "FRESHET_PARAMETERS=")


def parameters_in(file: str, named: str = "") -> Learned:
    """The parameters of a file; a SettingsError says what is wrong with it."""
    try:
        return read(file)
    except (OSError, ParametersError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{named}{file}: {why}. Make it with `freshet train`.") from error


def ranking_of(settings: Settings) -> RankingTable:
    """The table that the settings name; a SettingsError says what is wrong with it."""
    if not (file := settings.ranking):
        return usual_table()
    try:
        return read_table(Path(file).read_text("utf-8-sig"))
    except (OSError, RankingError, UnicodeDecodeError) as error:
        raise SettingsError(f"FRESHET_RANKING={file}: {error}. Correct it, or leave it out.") from error


def build_feed(context: FeedContext) -> Pipeline:
    """The pipeline of the feed that the settings name; a SettingsError says what is wrong with it."""
    place = context.settings.feed
    switch.use(context.settings.kernel == "auto")
    pipeline = call_function(VARIABLE, place, context)
    if not isinstance(pipeline, Pipeline):
        kind = type(pipeline).__name__
        raise SettingsError(f"{VARIABLE}={place} returned a {kind} instead of a ranker.pipeline.pipeline.Pipeline.")
    return pipeline
