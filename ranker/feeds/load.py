"""Finds the feed that the setting `feed` names, and builds its pipeline."""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from inspect import signature
from typing import cast

from ranker.feeds.feed import Feed, FeedContext
from ranker.pipeline.pipeline import Pipeline, PipelineError
from schemas.settings.load import SettingsError


def build_feed(context: FeedContext) -> Pipeline:
    """The pipeline of the feed that the settings name; a SettingsError says what is wrong with it."""
    name = context.settings.feed
    feed = load_feed(name)
    try:
        signature(feed).bind(context)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"The feed {name} cannot be called with one FeedContext: {error}.") from None
    try:
        pipeline = feed(context)
    except PipelineError as error:
        raise SettingsError(f"The feed {name} cannot be built: {error}") from error
    if not isinstance(pipeline, Pipeline):
        raise SettingsError(
            f"The feed {name} returned {type(pipeline).__name__}, not a ranker.pipeline.pipeline.Pipeline. Return one."
        )
    return pipeline


def load_feed(name: str) -> Feed:
    """The function that `package.module:function` names.

    >>> load_feed("ranker.feeds.home:build").__name__
    'build'
    """
    module_name, _, attribute = name.partition(":")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise SettingsError(
            f"The feed {name} cannot be imported: {error}. Install its package in Freshet's environment, or name its"
            " folder in PYTHONPATH."
        ) from error
    feed = getattr(module, attribute, None)
    if feed is None:
        raise SettingsError(
            f"The feed {name} does not exist: {module_name} has no {attribute}{_nearest(module, attribute)}."
        )
    if not callable(feed):
        raise SettingsError(
            f"The feed {name} is no function but {type(feed).__name__}. Name a function of one FeedContext."
        )
    return cast("Callable[[FeedContext], Pipeline]", feed)


def _nearest(module: object, attribute: str) -> str:
    near = get_close_matches(attribute, [name for name in dir(module) if callable(getattr(module, name))], n=1)
    return f"; the nearest function is {near[0]}" if near else ""
