"""What an encoding agent takes with each text model, at rest and at work: `python -m tests.bench.encoder_memory`.

A real broker, and one `freshet worker encoder` after the other, as `freshet up` starts it. At work: after titles in ten
languages, and a clip with pictures and sound; the processes that decode files, two where there are two cores, are
counted by themselves.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from encoders.base import TextModelName
from schemas.messages.videos import Upload
from schemas.settings.model import Settings
from streams.demo.clients import OutputConsumer, Publisher, consuming_outputs
from streams.demo.latency import usable
from streams.demo.stage import Agents, run_folder
from streams.kafka import topic_admin
from streams.worker import supervise
from tests.bench.ground import Ground
from tests.bench.titles import titles
from tests.support.clips import clip

AGENT, CLIP = "encoder", "clip.mp4"
CLIPS = 8
MODELS: tuple[TextModelName, ...] = ("minilm", "e5", "multilingual")
PATIENCE_S, STOP_S, POLL_S = 900.0, 10.0, 0.2
REST_S = 5.0  # after it is ready, until what its start has freed is given back
ROLLUP = "smaps_rollup"


class Taken(NamedTuple):
    """Megabytes of one process: resident, and of these its own, which are in no file."""

    resident: float
    own: float


def taken(pid: int) -> Taken:
    """What a running process takes now."""
    lines = (line.split() for line in Path(f"/proc/{pid}/{ROLLUP}").read_text("ascii").splitlines()[1:])
    sizes = {name: int(size) * 1024 / 1e6 for name, size, _ in lines}
    return Taken(sizes["Rss:"], sizes["Anonymous:"])


def uploads(at_ms: int) -> Iterator[Upload]:
    """The forty titles in ten languages, and so many clips with pictures and sound."""
    for language, of_one in titles().items():
        for place, title in enumerate(of_one):
            yield Upload(video_id=f"{language}-{place}", at_ms=at_ms, title=title)
    for number in range(CLIPS):
        yield Upload(video_id=f"clip-{number}", at_ms=at_ms, title=f"Clip number {number}", media_uri=CLIP)


def measured(settings: Settings, folder: Path) -> dict[str, Taken]:
    """The agent at rest and at work, and the processes that it has started to decode, together."""
    agents = Agents(folder)
    with ExitStack() as running:
        running.callback(lambda: supervise.stop_all(agents.processes, lambda _: None, STOP_S))
        agents.start([AGENT], supervise.environment(settings))
        publisher = running.enter_context(Publisher(settings, folder / f"{settings.prefix}published.jsonl"))
        outputs = running.enter_context(consuming_outputs(settings))
        admin = running.enter_context(topic_admin.connected(settings))
        pid = agents.processes[AGENT].pid
        waited(lambda: topic_admin.is_group_assigned(admin, f"{settings.prefix}{AGENT}"), agents, outputs)
        time.sleep(REST_S)
        found = {"at rest": taken(pid)}
        sent = [*uploads(time.time_ns() // 1_000_000)]
        list(publisher.send(usable(sent)))
        waited(lambda: len(outputs.embedded) >= len(sent), agents, outputs)
        found["at work"] = taken(pid)
        found["what decodes"] = Taken(*map(sum, zip(*(taken(child) for child in children(pid)), strict=True)))
    return found


def children(pid: int) -> list[int]:
    """The processes that one has started."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def waited(done: Callable[[], bool], agents: Agents, outputs: OutputConsumer) -> None:
    """Return as soon as it is so; TimeoutError where it never is."""
    until = time.monotonic() + PATIENCE_S
    while not done():
        agents.check()
        outputs.check()
        if time.monotonic() > until:
            raise TimeoutError(f"the agent is not done after {PATIENCE_S:g} s; dead letters: {outputs.dead_letters}")
        time.sleep(POLL_S)


def main() -> None:
    with ExitStack() as running:
        folder = running.enter_context(run_folder(Ground.defaults().cache_dir, keep=False, name="bench"))
        (folder / CLIP).write_bytes(clip(seconds=10, size=(720, 1280), rate=30, key_every=30))
        ground = Ground(quick=False, long=False, folder=folder, running=running)
        print("| text model | at rest | own | at work | own | what decodes |\n|---|---|---|---|---|---|")
        for model in MODELS:
            settings = ground.with_topics(f"{model}-").model_copy(
                update={"text_model": model, "media_root": str(folder)}
            )
            found = measured(settings, folder)
            cells = [f"{size:.0f}" for of in (found["at rest"], found["at work"]) for size in of]
            print(f"| `{model}` | {' | '.join(cells)} | {found['what decodes'].resident:.0f} |", flush=True)


if __name__ == "__main__":
    main()
