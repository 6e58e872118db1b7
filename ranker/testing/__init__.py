"""Laws for the parts that others write: a source, filter, scorer, selector, feed or video index.

Inherit a class, say how your part is made, and any test runner that knows pytest's naming runs the laws:

    class TestSeasonal(SourceLaws):
        def source(self, context: FeedContext) -> Source:
            return seasonal(context.catalogue)
"""

from ranker.testing.example import example_context, example_queries
from ranker.testing.feeds import FeedLaws
from ranker.testing.indexes import VideoIndexLaws
from ranker.testing.stages import FilterLaws, ScorerLaws, SelectorLaws, SourceLaws

__all__ = [
    "FeedLaws",
    "FilterLaws",
    "ScorerLaws",
    "SelectorLaws",
    "SourceLaws",
    "VideoIndexLaws",
    "example_context",
    "example_queries",
]
