"""K12, K13, K18: models that are none, a GPU that is not there, a topic that refuses."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType

from encoders.models.manifest import EXPORTER, WEIGHTS, key_of
from schemas.topics import MAX_RECORD_BYTES, PROFILES, RECOMMENDATIONS, Topic
from streams.kafka import topic_admin
from streams.worker import supervise
from tests.chaos.rig import SOURCE, Rig, System, judged, wait
from tests.chaos.topics import committed
from tests.support.models import real_models, with_one_file_changed
from tests.support.paths import ROOT

RATE = 60.0
START_S = 60.0


def bad_models(rig: Rig) -> dict[str, Any]:
    """K12, K13: a damaged model, or a GPU asked for and absent, ends the encoder with status 2 and one sentence."""
    broken: list[str] = []
    sound = real_models()
    model = max(sound.glob("*.onnx"), key=lambda file: file.stat().st_size)
    whole = model.read_bytes()
    flipped = whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:]
    damages: dict[str, bytes | None] = {"missing": None, "truncated": whole[: len(whole) // 2], "flipped": flipped}
    with rig.system("k12") as system:
        for name, content in damages.items():
            cache = system.folder / name
            (cache / "models").mkdir(parents=True)
            with_one_file_changed(sound, cache / "models" / key_of(WEIGHTS, EXPORTER), model.name, content)
            broken += refused(system, name, cache_dir=cache)
            shutil.rmtree(cache)
        tried = [*damages]
        if not Path("/dev/nvidiactl").exists():
            broken += refused(system, "cuda", provider="cuda")
            tried.append("cuda without a GPU")
    return {"refused": tried, "breaches": broken}


def refused(system: System, what: str, **changes: Any) -> list[str]:
    """The breaches of: exit status 2, a sentence that names the remedy, no traceback."""
    status, said = as_shipped(system, "encoder", **changes)
    sentence = "freshet export" in said or "extra gpu" in said
    return [] if (status, sentence, "Traceback" in said) == (2, True, False) else [f"{what}: {status}, {said[-300:]}"]


def as_shipped(system: System, agent: str, **changes: Any) -> tuple[int | None, str]:
    """Exit status of `freshet worker`, None if it does not end, and all that it said."""
    environ = supervise.environment(system.settings.model_copy(update=changes))
    command = [sys.executable, "-m", "streams.cli", "worker", agent]
    try:
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=START_S)
    except subprocess.TimeoutExpired:
        return None, f"it still runs after {START_S:g} s"
    return done.returncode, done.stdout + done.stderr


def output_refused(rig: Rig) -> dict[str, Any]:
    """K18: a topic takes no record of ours; nothing behind it is committed until it does again."""
    broken: list[str] = []
    exits: dict[str, int] = {}
    with rig.system("k18") as system:
        workers = [system.start("profiles"), system.start("ranker")]
        system.begin(RATE, rig.seed)
        wait("all work", lambda: all(one.mark("confirmed") is not None for one in workers))
        system.keep_up(2.0)
        for agent, topic in (("ranker", RECOMMENDATIONS), ("profiles", PROFILES)):
            before = system.exits
            with at_most(system, topic, 60):
                system.keep_up(2.0)
                first = committed(system.settings, agent, SOURCE[agent])
                system.keep_up(rig.size(6.0, 20.0))
                if committed(system.settings, agent, SOURCE[agent]) != first:
                    broken.append(f"{agent} committed past what {topic.name} refused")
            began = time.monotonic()
            stuck = first
            if not system.keep_up(60, lambda a=agent, s=stuck: committed(system.settings, a, SOURCE[a]) != s):  # type: ignore[misc]
                broken.append(f"{agent} did not go on when {topic.name} took records again")
            exits[agent] = system.exits - before
            exits[f"{agent}_resumed_s"] = round(time.monotonic() - began)
        figures = system.finish()
    return judged(figures | {"while_refused": exits}, *broken)


@contextmanager
def at_most(system: System, topic: Topic, size: int) -> Iterator[None]:
    """A topic that takes records of at most so many bytes, for the time of a `with`."""
    limit(system, topic, size)
    try:
        yield
    finally:
        limit(system, topic, MAX_RECORD_BYTES)


def limit(system: System, topic: Topic, size: int) -> None:
    """Set max.message.bytes."""
    name = topic.full(system.settings.prefix)
    with topic_admin.connected(system.settings) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": str(size)})])
