"""`python -m tests.chaos`: one JSON line per scenario, exit status 1 where a promise is broken."""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from tests.chaos import groups, index, inputs, kills, outages, poison, refusals, restarts, topics_made_again
from tests.chaos.rig import Rig, rig


class Scenario(NamedTuple):
    """A line of the table."""

    k: str
    name: str
    run: Callable[[Rig], dict[str, Any]]


LANES = (  # one after the other in a lane, the lanes side by side; what breaks the proxy stays in one of them
    (
        Scenario("K1", "kill -9 at every step", kills.killed_at_every_step),
        Scenario("K9", "index wiped", index.wiped),
        Scenario("K21", "batches damaged at the wire", poison.damaged_batches),
        Scenario("K20", "state of an earlier release", inputs.upgraded),
    ),
    (
        Scenario("K6", "rebalances", groups.rebalanced),
        Scenario("K4", "broker unreachable", outages.unreachable),
        Scenario("K31", "answers that list no broker", restarts.without_brokers),
        Scenario("K32", "a group that assigns nothing", restarts.unassigned),
        Scenario("K33", "more workers than partitions", restarts.spare),
        Scenario("K3", "SIGTERM under load", kills.asked_to_stop),
        Scenario("K18", "output refused", refusals.output_refused),
        Scenario("K22", "topics made again", topics_made_again.made_again),
    ),
    (
        Scenario("K7", "a zombie worker", kills.frozen),
        Scenario("K8", "index in trouble", index.troubled),
        Scenario("K12", "bad models; K13: no GPU", refusals.bad_models),
        Scenario("K15", "repeats, late, out of order; K14: clocks; K16: replay; K19: versions", inputs.odd_inputs),
        Scenario("K11", "damaged changelogs", inputs.damaged),
        Scenario("K2", "kill -9 twice during recovery", kills.killed_while_recovering),
    ),
)
ALONE = (  # these take the broker away from everybody
    Scenario("K5", "broker killed, broker frozen", outages.restarted),
    Scenario("K30", "broker restarted again and again", restarts.again_and_again),
    Scenario("K10", "disk full", outages.without_room),
)
SCENARIOS = (*chain(*LANES), *ALONE)


def report(scenario: Scenario, on: Rig) -> dict[str, Any]:
    """Run one scenario; what it raises is a breach too."""
    began = time.monotonic()
    try:
        figures = scenario.run(on)
    except Exception as error:  # the others shall still run
        traceback.print_exc()
        figures = {"breaches": [f"{type(error).__name__}: {error}"]}
    took = round(time.monotonic() - began, 1)
    return {"k": scenario.k, "name": scenario.name, "ok": not figures["breaches"], **figures, "took_s": took}


def main(arguments: list[str]) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", default="", help="these alone, e.g. K1,K6")
    parser.add_argument("--long", action="store_true", help="the long round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="leave topics and logs in this folder")
    asked = parser.parse_args(arguments)
    only = set(filter(None, asked.only.split(",")))
    if unknown := only - {scenario.k for scenario in SCENARIOS}:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    with (
        tempfile.TemporaryDirectory(prefix="freshet-chaos-") as temporary,
        rig(asked.keep or Path(temporary), asked.seed, asked.long) as on,
    ):
        return 0 if all(every(on, only)) else 1


def every(on: Rig, only: set[str]) -> list[bool]:
    """Run all scenarios, or these; a line each, and whether its promises were kept."""
    sound: list[bool] = []

    def go_through(scenarios: Iterable[Scenario]) -> None:
        for scenario in scenarios:
            if not only or scenario.k in only:
                line = report(scenario, on)
                print(json.dumps(line), flush=True)
                sound.append(line["ok"])

    lanes = [Thread(target=go_through, args=[lane], daemon=True) for lane in LANES]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    go_through(ALONE)
    return sound


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
