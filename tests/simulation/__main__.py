"""`python -m tests.simulation --seeds 100000`: many seeds, or one again with `--from 4711 --seeds 1`."""

import argparse
import sys
import time
from collections import Counter

from tests.simulation.agents import AGENTS
from tests.simulation.worker import Flaw
from tests.simulation.world import command, simulate


def main() -> int:
    """Simulate and say what was seen; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first one")
    parser.add_argument("--flaw", choices=[flaw.name for flaw in Flaw], help="give every worker this mistake")
    parser.add_argument("--troubled", choices=list(AGENTS), help="give this agent most faults, and many")
    args = parser.parse_args()
    flaw = Flaw[args.flaw] if args.flaw else None
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a pipe gets each seed as it is found
    faults: Counter[str] = Counter()
    broken = turns = 0
    began, cpu = time.perf_counter(), time.process_time()
    for seed in range(args.first, args.first + args.seeds):
        outcome = simulate(seed, flaw, args.troubled)
        faults += outcome.faults
        turns += outcome.turns
        if outcome.breaches:
            broken += 1
            print(f"seed {seed}: " + "; ".join(f"{b.promise}: {b.seen}" for b in outcome.breaches[:3]))
            print(f"  again: {command(seed, flaw, args.troubled)}")
    spent, cpu = time.perf_counter() - began, time.process_time() - cpu
    places = len(faults)
    print(
        f"{args.seeds} seeds, {turns} steps, {faults.total()} faults at {places} places, {broken} seeds with a breach; "
        f"{args.seeds / cpu:.0f} seeds per CPU second, {spent:.1f} s"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
