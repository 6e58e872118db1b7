"""Answers the question in a folder: what each baseline says of the exposures, and of everybody's next finish."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from streams.operations.baselines.exchange import (
    Exposures,
    Floats,
    HeadScores,
    NextFinish,
    read_exposures,
    read_next_finish,
    write_head_scores,
    write_names,
    write_next_finish_scores,
)
from streams.operations.baselines.fit.boosting import boost_features, boost_page_counts
from streams.operations.baselines.fit.collaborative import als, bm25
from streams.operations.baselines.fit.logistic import online_logistic_regression
from streams.operations.baselines.fit.sequential import sasrec

HEADS: Mapping[str, Callable[[Exposures], HeadScores]] = {
    "boosting, page counts": boost_page_counts,
    "boosting, freshet's features": boost_features,
    "online logistic regression": online_logistic_regression,
}
NEXT_FINISH: Mapping[str, Callable[[NextFinish], Floats]] = {"BM25": bm25, "ALS": als, "SASRec": sasrec}


def main(folder: Path) -> None:
    """Read the question, write the answers."""
    exposures, finishes = read_exposures(folder), read_next_finish(folder)
    for place, (name, predict) in enumerate(HEADS.items()):
        with timed(name):
            write_head_scores(folder, place, predict(exposures))
    ranked = NEXT_FINISH if finishes else {}
    for place, (name, rank) in enumerate(ranked.items()):
        if finishes:
            with timed(name):
                write_next_finish_scores(folder, place, rank(finishes))
    write_names(folder, HEADS, ranked)


@contextmanager
def timed(name: str) -> Iterator[None]:
    """Say on stderr what is made, and how long it took."""
    began, cpu = time.monotonic(), time.process_time()
    sys.stderr.write(f"baseline {name} …\n")
    yield
    sys.stderr.write(f"baseline {name}: {time.monotonic() - began:.0f} s, {time.process_time() - cpu:.0f} s of CPU\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
