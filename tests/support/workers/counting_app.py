"""A small batch-wise Faust app: copies records, and raises where a file says so."""

import os
from typing import Any

from schemas.settings.load import load
from schemas.topics import FEEDBACK, RECOMMENDATIONS
from streams.app import new_app
from streams.kafka.confirmed_producer import ConfirmedProducer, Outgoing
from streams.kafka.poll import Poll, Raw

settings = load({}, os.environ, None).settings
trap = settings.data_dir / "raise"  # while this file is there, the agent raises with a poll in hand
app = new_app("copier", settings)
out = ConfirmedProducer(app)


@app.agent(app.topic(FEEDBACK.full(settings.prefix), schema=Raw()), name="copier")
async def copy(polls: Any) -> None:
    """Copy every record to the same partition of another topic."""
    poll: Poll
    async for poll in polls:
        for tp, records in poll.items():
            copies = [Outgoing(record.key, record.value) for record in records]
            out.put(RECOMMENDATIONS.full(settings.prefix), tp.partition, copies)
            if trap.exists():
                raise RuntimeError("the agent was asked to raise")
        await out.confirmed()
        poll.done()
