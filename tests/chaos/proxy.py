"""A TCP proxy on loopback that misbehaves as it is told, or as a seeded schedule says; it runs in its own thread."""

import asyncio
import json
import random
import socket
import struct
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Literal, Self

from tests.chaos.frames import Conversation, Frames

HOST = "127.0.0.1"
CHUNK = 64 * 1024
WORST_S = 3.0  # longest pause of a schedule

Mode = Literal["pass", "delay", "drop", "blackhole", "refuse", "reset", "brokerless", "no_join"]
FRAME_BY_FRAME = ("brokerless", "no_join")
MODES: tuple[Mode, ...] = ("pass", "delay", "drop", "blackhole", "refuse", "reset")  # of a schedule


@dataclass(frozen=True)
class Step:
    """One line of a schedule: after so many seconds, this mode; `value` is ms for `delay`, bytes for `drop`."""

    after_s: float
    mode: Mode
    value: int = 0


def schedule(seed: int, steps: int) -> list[Step]:
    """So many faults drawn from a seed, each healed again."""
    chance = random.Random(seed)
    drawn: list[Step] = []
    for _ in range(steps):
        mode = chance.choice(MODES[1:])
        value = chance.randrange(20, 200) if mode == "delay" else chance.randrange(1, CHUNK) if mode == "drop" else 0
        pauses = [round(chance.uniform(0.1, WORST_S), 2) for _ in range(2)]
        drawn += [Step(pauses[0], mode, value), Step(pauses[1], "pass")]
    return drawn


def write_schedule(file: Path, steps: list[Step]) -> None:
    """One JSON object a line, so that a run can be repeated."""
    file.write_text("".join(json.dumps(asdict(step)) + "\n" for step in steps), encoding="utf-8")


def read_schedule(file: Path) -> list[Step]:
    """What `write_schedule` wrote."""
    return [Step(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


class Proxy:
    """Forwards a port of its own to a target.

    `blackhole` holds all bytes back (none is lost: TCP would send them again), `refuse` closes the port, `reset` and
    `drop` cut connections with an RST, the latter after so many bytes. `brokerless` and `no_join` are in frames.py, and
    begin with new connections.
    """

    def __init__(self, target_port: int, port: int = 0) -> None:
        self.target_port, self.port = target_port, port
        self.mode, self.value = "pass", 0
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._ends: set[asyncio.StreamWriter] = set()
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._set("pass", 0))
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def set(self, mode: Mode, value: int = 0) -> None:
        """From now on, also for connections that stand."""
        self._call(self._set(mode, value))

    def play(self, steps: list[Step]) -> None:
        """Go through a schedule; returns at its end."""
        for step in steps:
            time.sleep(step.after_s)
            self.set(step.mode, step.value)

    @contextmanager
    def broken(self, mode: Mode, value: int = 0) -> Iterator[None]:
        """Misbehave for the time of a `with`."""
        self.set(mode, value)
        try:
            yield
        finally:
            self.set("pass")

    def _call(self, task: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(task, self._loop).result(10)

    async def _set(self, mode: Mode, value: int) -> None:
        self.mode, self.value = mode, value
        if mode == "blackhole":
            self._open.clear()
        else:
            self._open.set()
        if mode in ("refuse", "reset", *FRAME_BY_FRAME):
            for end in list(self._ends):
                cut(end)
        if mode == "refuse" and self._server:
            self._server.close()
            self._server = None
        if mode != "refuse" and not self._server:
            self._server = await asyncio.start_server(self._serve, HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        await self._set("refuse", 0)
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            await self._open.wait()
            if self.mode in ("refuse", "reset"):
                return cut(writer)
            up_reader, up_writer = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            return cut(writer)
        self._ends.add(up_writer)
        try:
            pumps = (
                self._read_along(reader, up_writer, up_reader, writer)
                if self.mode in FRAME_BY_FRAME
                else (self._pump(reader, up_writer), self._pump(up_reader, writer))
            )
            await asyncio.gather(*pumps, return_exceptions=True)  # a connection that breaks off is what we are for
        finally:
            for end in (writer, up_writer):
                self._ends.discard(end)
                end.close()

    def _read_along(
        self,
        reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> tuple[Coroutine[Any, Any, None], ...]:
        """Both ways of a connection to Kafka, frame by frame."""
        talk = Conversation(lambda: self.mode)
        return (
            self._pump_frames(reader, up_writer, talk.requested),
            self._pump_frames(up_reader, writer, talk.answered),
        )

    async def _pump_frames(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, made: Callable[[bytes], bytes]
    ) -> None:
        frames = Frames()
        while data := await reader.read(CHUNK):
            await self._open.wait()
            writer.writelines(map(made, frames.take(data)))
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await reader.read(CHUNK):
            await self._open.wait()
            if self.mode == "delay":
                await asyncio.sleep(self.value / 1000)
            if self.mode == "drop" and passed + len(data) > self.value:
                writer.write(data[: max(0, self.value - passed)])
                for end in list(self._ends):
                    cut(end)
                return
            passed += len(data)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def cut(end: asyncio.StreamWriter) -> None:
    """Break a connection off with an RST instead of a FIN."""
    if (plug := end.get_extra_info("socket")) is not None and plug.fileno() >= 0:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()
