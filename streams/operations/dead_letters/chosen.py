"""Which dead letters a command is about, by what its options say."""

from schemas.agents import Agent
from schemas.messages.dead_letters import Reason
from schemas.settings.model import Settings
from schemas.topics import DEAD_LETTERS, ERASURES, EXAMPLES, FEATURES, FEEDBACK, PROFILES, TOPICS, UPLOADS
from streams.dead_letters.store import Choice
from streams.errors import OperatorError

INPUTS = {  # of each agent; of what it cannot use there it makes dead letters
    Agent.PROFILES: (FEEDBACK, ERASURES),
    Agent.ENCODER: (UPLOADS,),
    Agent.INDEXER: (FEATURES,),
    Agent.RANKER: (PROFILES,),
    Agent.LEARNER: (EXAMPLES,),
}


def choice_of(
    settings: Settings,
    reason: Reason | None,
    topic: str | None,
    agent: Agent | None,
    from_ms: int | None,
    until_ms: int | None,
) -> Choice:
    """The options as a choice; a topic may be named with the prefix or without."""
    chosen = None if agent is None else frozenset(one.full(settings.prefix) for one in INPUTS[agent])
    if topic is not None:
        named = {one.full(settings.prefix) for one in TOPICS if topic in (one.name, one.full(settings.prefix))}
        if not named:
            names = ", ".join(one.name for one in TOPICS if one is not DEAD_LETTERS)
            raise OperatorError(f"{topic} is none of Freshet's topics.", f"There are {names}.", 2)
        chosen = frozenset(named) if chosen is None else chosen & named
    return Choice(reason.value if reason else None, chosen, from_ms, until_ms)
