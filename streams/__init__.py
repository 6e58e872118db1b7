"""How it moves: Faust agents, Kafka, Qdrant, replay and the command line."""

import os

# Before numpy is loaded: ranking scales by processes, and a replay's bits may not depend on how many cores there are.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
