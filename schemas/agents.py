"""The consumer groups: one for each agent, in the order of the data."""

from enum import StrEnum


class Agent(StrEnum):
    """What `freshet worker` takes, and what `freshet up` runs; its consumer group is the prefix and this name."""

    PROFILES = "profiles"
    ENCODER = "encoder"
    RANKER = "ranker"
    LEARNER = "learner"
