"""How it moves: Faust agents, Kafka, Qdrant, replay and the command line."""

import os

# Before numpy is loaded: its threads waited for each other on two busy cores (event to slate p50 2.8 s with them, 0.1 s
# without, at 50 events/s), and a replay's bits may not depend on how many cores there are.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
