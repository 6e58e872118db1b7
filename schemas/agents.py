"""The consumer groups: one for each agent, in the order of the data; and what agents wait for before there are data."""

from enum import StrEnum

FIRST_VIDEO, VIDEOS = "the first video", "the videos"
FOR_DATA = (FIRST_VIDEO, VIDEOS)  # what agents wait for where nothing was published yet; the alert rules name them too


class Agent(StrEnum):
    """What `freshet worker` takes, and what `freshet up` runs; its consumer group is the prefix and this name."""

    PROFILES = "profiles"
    ENCODER = "encoder"
    INDEXER = "indexer"
    RANKER = "ranker"
    LEARNER = "learner"


def needed(qdrant_url: str) -> tuple[Agent, ...]:
    """The agents that an installation runs: without a Qdrant server there is nothing to index.

    >>> [str(agent) for agent in needed("")]
    ['profiles', 'encoder', 'ranker', 'learner']
    """
    return tuple(agent for agent in Agent if qdrant_url or agent != Agent.INDEXER)
