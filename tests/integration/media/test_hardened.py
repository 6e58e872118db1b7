"""What the units of deploy/systemd take from a process leaves Freshet what it needs, the decoder's sandbox first."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from schemas.messages import feedback, videos
from schemas.messages.videos import Encoded
from schemas.settings.model import Settings
from schemas.topics import FEATURES, FEEDBACK, UPLOADS
from streams.local.broker import free_port
from streams.worker import processes, supervise
from tests.support import hardened
from tests.support.clips import clip
from tests.support.events import liked, uploaded
from tests.support.paths import ROOT
from tests.support.system import everything, publish, wait_until

UNIT = ROOT / "deploy/systemd/freshet-.service.d/common.conf"
TRIES = {  # what each asks for, and what it is answered
    "another namespace": "os.unshare(os.CLONE_NEWNET) if hasattr(os, 'unshare') else libc('unshare', 0x40000000)",
    "a raw packet": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "another root": "os.chroot('/')",
    "another clock": "time.clock_settime(time.CLOCK_REALTIME, time.time())",
    "code of its own": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "a privilege": "os.setuid(4711)",
}
PRELUDE = """
import ctypes, mmap, os, socket, sys, time
def libc(name, *arguments):
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        raise OSError(ctypes.get_errno(), name)
"""
DECODE = """
import sys
from encoders.media.sandbox_client import MediaReader
with MediaReader() as reader:
    media = reader.read(sys.stdin.buffer.read())
print(len(media.frames), round(len(media.sound)), media.duration_ms)
"""


@pytest.fixture(autouse=True)
def _possible() -> None:
    if why := hardened.why_not():
        pytest.skip(why)


def ran(code: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    words = hardened.command(UNIT, [sys.executable, "-c", code])
    return subprocess.run(words, cwd=ROOT, input=given, capture_output=True, check=False)


@pytest.mark.parametrize("what", TRIES)
def test_a_service_is_refused(what: str) -> None:
    done = ran(f"{PRELUDE}\ntry:\n    {TRIES[what]}\nexcept OSError as error:\n    sys.exit(error.errno)\nsys.exit(0)")
    assert done.returncode in (1, 13), done.stderr.decode()  # EPERM; EACCES for memory


def test_a_service_decodes_in_its_sandbox() -> None:
    done = ran(DECODE, clip(2.0))
    assert done.returncode == 0, done.stderr.decode()
    frames, sound, milliseconds = map(int, done.stdout.split())
    assert frames and sound and 1_900 <= milliseconds <= 2_200


@contextmanager
def services(settings: Settings, *names: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Agents and the API under the units' limits, for the time of a `with`."""
    commands, running = supervise.workers(names) | supervise.api(), []
    try:
        for name, words in commands.items():
            with (settings.data_dir / f"{name}.log").open("wb") as log:
                running.append(processes.start(hardened.command(UNIT, words), log, supervise.environment(settings)))
        yield running
    finally:
        supervise.stop_all({str(process.pid): process for process in running}, print)


@pytest.mark.connected
@pytest.mark.slow
def test_all_services_do_their_work(settings: Settings, models: Path) -> None:
    root, port = settings.data_dir / "media", free_port()
    root.mkdir()
    (root / "clip.mp4").write_bytes(clip(2.0))
    own = settings.model_copy(update={"media_root": str(root), "api_port": port, "provider": "cpu"})
    now_ms = int(time.time() * 1000)  # a slate of long ago has expired
    made = [
        uploaded("v1", now_ms, title="A cat on a sofa", media_uri="clip.mp4"),
        uploaded("v2", now_ms, title="A dog in the rain"),
    ]

    def slate() -> list[str]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/v1/users/ana/slate").json()
        except (httpx.TransportError, ValueError):
            return []  # it is about to start
        return [] if answer.get("cold", True) else [item["video_id"] for item in answer["slate"]["items"]]

    with services(own, "profiles", "encoder", "ranker", "learner") as running:
        publish(own, UPLOADS, [(one.video_id, videos.encode(one)) for one in made])
        wait_until("the clip is seen and heard", lambda: bool(everything(own, FEATURES)[1:]))
        found = [videos.decode_features(one.value or b"") for one in everything(own, FEATURES)]
        publish(own, FEEDBACK, [("ana", feedback.encode(liked("ana", "v1", now_ms)))])
        wait_until("the slate is answered over HTTP", lambda: slate() == ["v2"])
        assert all(process.poll() is None for process in running)
    vectors = {name for one in found if isinstance(one, Encoded) and one.video_id == "v1" for name in one.vectors}
    assert {"image", "audio", "text", "retrieval"} <= vectors
