"""Nothing leaves the machine: every connection and every new file of agents and commands, also those of native code."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.messages import feedback, videos
from schemas.settings.model import Settings
from schemas.topics import FEEDBACK, RECOMMENDATIONS, UPLOADS
from streams.worker import processes, supervise
from tests.support.brokers import share_labels
from tests.support.command import LIMIT_S
from tests.support.events import minute, uploaded, watched
from tests.support.paths import ROOT
from tests.support.system import everything, publish, wait_until

pytestmark = pytest.mark.connected

STRACE = shutil.which("strace")
CALLS = "trace=connect,open,openat,creat,mkdir,mkdirat"
PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
LOOPBACK = re.compile(r'inet_addr\("127\.|"::1"|sa_family=AF_UNSPEC|"::ffff:127\.')
MADE = re.compile(r'(?:openat\([^,]*, |open\(|creat\(|mkdir\(|mkdirat\([^,]*, )"([^"]*)"(.*)')
COMMANDS = (
    ["config", "show"],
    ["topics", "check"],
    ["digest"],
    ["contract", "verify", "--from-start"],
    ["dlq", "ls"],
    ["review"],
    ["search", "pasta"],
    ["watch", "--from-start", "--count", "1"],
    ["replay", str(ROOT / "tests/golden/log.jsonl"), "--json"],
    ["health"],
)


def environ(settings: Settings, home: Path) -> dict[str, str]:
    """A home and a temporary folder of their own, and no folder named by XDG."""
    (home / "tmp").mkdir(parents=True)
    given = {name: value for name, value in supervise.environment(settings).items() if not name.startswith("XDG_")}
    return {**given, "HOME": str(home), "TMPDIR": str(home / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}


def traced(log: Path, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "streams.cli", *arguments]
    return (
        [STRACE, "-D", "-f", "--seccomp-bpf", "-qq", "-s", "400", "-e", CALLS, "-o", str(log), *command]
        if STRACE
        else command
    )


def connections_outside(log: Path) -> Iterator[str]:
    """Connections of the internet's families to elsewhere than loopback, or to a name server wherever it is."""
    for line in log.read_text("utf-8", "replace").splitlines() if log.exists() else ():
        port = PORT.search(line)
        if "connect(" in line and port and (not LOOPBACK.search(line) or port[1] == "53"):
            yield line


def files_made(log: Path, *folders: Path) -> Iterator[str]:
    """Files and folders that were made, or opened to be made, outside these folders."""
    for line in log.read_text("utf-8", "replace").splitlines() if log.exists() else ():
        match = MADE.search(line)
        if not match or ("open" in line.split("(")[0] and "O_CREAT" not in match[2]) or " = -1 " in match[2]:
            continue
        path = match[1] if match[1].startswith("/") else str(ROOT / match[1])
        if not path.startswith((*map(str, folders), "/dev/", "/proc/")):
            yield line


def test_agents_and_commands_connect_to_loopback_alone_ask_no_name_server_and_leave_no_file_elsewhere(
    settings: Settings, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    variables, logs = environ(settings, home), tmp_path / "traces"
    logs.mkdir()
    share_labels(settings.data_dir)
    agents = {}
    try:
        for name in ("encoder", "profiles", "ranker"):
            with (tmp_path / f"{name}.log").open("wb") as output:
                agents[name] = processes.start(traced(logs / name, "worker", name), output, variables)
        publish(settings, UPLOADS, [(v, videos.encode(uploaded(v, title=f"how to cook {v}"))) for v in ("a", "b")])
        publish(settings, FEEDBACK, [("ana", feedback.encode(watched("ana", "a", minute(1))))])
        wait_until("a slate is there", lambda: bool(everything(settings, RECOMMENDATIONS)))
        for number, command in enumerate(COMMANDS):
            subprocess.run(
                traced(logs / f"{number}", *command),
                cwd=ROOT, env=variables, capture_output=True, check=False, timeout=LIMIT_S,
            )  # fmt: skip
    finally:
        supervise.stop_all(agents, print, LIMIT_S)
    assert {name: process.poll() for name, process in agents.items()} == dict.fromkeys(agents, 0)
    assert [line for log in sorted(logs.iterdir()) for line in connections_outside(log)] == []
    assert [line for log in sorted(logs.iterdir()) for line in files_made(log, tmp_path, settings.cache_dir)] == []
    if STRACE:
        seen = {log.name for log in logs.iterdir() if "connect(" in log.read_text("utf-8", "replace")}
        assert seen >= set(agents), "each agent's connections are in its trace"
    left = [path for path in home.rglob("*") if path.is_file()]
    assert left == [], "a file in the home or temporary folder that nobody asked for"


def test_onnxruntime_counts_nothing_whoever_imports_it_first(tmp_path: Path) -> None:
    script = "import encoders, onnxruntime, time; time.sleep(0.5)"
    variables = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "ORT_DISABLE_TELEMETRY": "0"}
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=variables, check=True, timeout=LIMIT_S)
    assert list(tmp_path.iterdir()) == []
