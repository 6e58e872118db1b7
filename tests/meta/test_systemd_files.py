"""The units in deploy/systemd: systemd takes them, and they start what there is, as a user with few rights."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.agents import Agent, needed
from schemas.settings.load import load
from schemas.settings.ports import ports
from streams.worker.run import FROZEN_S, STOP_TIMEOUT_S
from tests.support.hardened import settings_of
from tests.support.paths import ROOT

FOLDER = ROOT / "deploy/systemd"
COMMON = FOLDER / "freshet-.service.d/common.conf"
SERVICES = sorted(FOLDER.glob("*.service"))
STARTED = re.compile(r"^ExecStart=/opt/freshet/\.venv/bin/freshet (.+)$", re.MULTILINE)
MOST_EXPOSED = 2.0  # of 10, by systemd's own count; 1.7 was seen
NEWER = re.compile(r"Unknown key (name )?'(RestartSteps|RestartMaxDelaySec)'.*ignoring")  # before systemd 254


def words_of(unit: Path) -> list[str]:
    (found,) = STARTED.findall(unit.read_text("utf-8"))
    return str(found).split()


def of_systemd(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Ask systemd-analyze about the units in a folder, beside those of the system."""
    program = shutil.which("systemd-analyze")
    if not program:
        pytest.skip("systemd-analyze is not installed (Debian has it in the package systemd)")
    environ = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"}
    return subprocess.run([program, *words], env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with a program that is there."""
    folder = Path(shutil.copytree(FOLDER, tmp_path / "units"))
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text("utf-8").replace("/opt/freshet/.venv/bin/freshet", "/bin/true"), "utf-8")
    return folder


def complaints(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.strip() and not NEWER.search(line)]


def test_systemd_takes_every_unit(units: Path) -> None:
    instances = [f"freshet-worker@{agent}.service" for agent in Agent]
    checked = of_systemd(units, "verify", "--man=no", "freshet.target", *instances)
    assert (checked.returncode, complaints(checked.stderr)) == (0, [])


def test_a_unit_that_is_wrong_is_found(units: Path) -> None:
    unit = units / "freshet-api.service"
    unit.write_text(unit.read_text("utf-8").replace("Restart=always", "Restart=sometimes"), "utf-8")
    assert complaints(of_systemd(units, "verify", "--man=no", "freshet.target").stderr)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_exposed_to_little(unit: Path, units: Path) -> None:
    told = of_systemd(units, "security", "--offline=true", str(units / unit.name))
    (exposed,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
    assert float(exposed) <= MOST_EXPOSED, told.stdout


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_command_line_knows_what_is_started(unit: Path) -> None:
    words = [word.replace("%i", "ranker") for word in words_of(unit)]
    told = subprocess.run([sys.executable, "-m", "streams.cli", *words, "--help"], cwd=ROOT, check=False)
    assert told.returncode == 0


def test_the_target_starts_the_topics_the_api_and_the_agents_that_need_no_qdrant() -> None:
    wanted = set(re.findall(r"[\w@-]+\.service", (FOLDER / "freshet.target").read_text("utf-8").partition("[Unit]")[2]))
    assert wanted == {"freshet-topics.service", "freshet-api.service"} | {
        f"freshet-worker@{agent}.service" for agent in needed("")
    }
    for name in wanted:
        assert (FOLDER / re.sub(r"@\w+", "@", name)).exists()


def test_what_the_units_set_are_settings_of_ours() -> None:
    pairs = [pair.split("=", 1) for unit in (COMMON, *SERVICES) for pair in environment(unit)]
    settings = load({}, dict(pairs), None).settings
    assert len(ports(settings.metrics_port)) >= len(Agent)  # on one machine each worker has one of its own
    told = settings_of(COMMON)
    assert told["StateDirectory"] == [settings.data_dir.name] and told["ProtectSystem"] == ["strict"]
    assert told["WorkingDirectory"] == [str(settings.data_dir)]


def test_what_decodes_files_of_strangers_is_a_user_who_owns_nothing_else() -> None:
    own, common = settings_of(FOLDER / "freshet-worker@encoder.service.d/own-user.conf"), settings_of(COMMON)
    shared = {"User", "Group", "StateDirectory", "WorkingDirectory"}
    assert [name for name in shared if own[name] == common[name]] == []
    assert own["Environment"] == [f"FRESHET_DATA_DIR={own['WorkingDirectory'][0]}"]


def environment(unit: Path) -> list[str]:
    return [
        pair
        for line in re.findall(r"^Environment=(.+)$", unit.read_text("utf-8"), re.MULTILINE)
        for pair in line.split()
    ]


def test_what_ends_is_started_again_but_not_for_a_wrong_setting() -> None:
    common = settings_of(COMMON)
    assert common["RestartPreventExitStatus"] == ["2"] and common["StartLimitIntervalSec"] == ["0"]
    assert int(common["RestartSec"][0]) < int(common["RestartMaxDelaySec"][0])
    assert {unit.name: settings_of(unit)["Restart"] for unit in SERVICES} == {
        "freshet-api.service": ["always"],
        "freshet-topics.service": ["on-failure"],  # it may end in order
        "freshet-worker@.service": ["always"],
    }
    assert float(settings_of(FOLDER / "freshet-worker@.service")["TimeoutStopSec"][0]) > STOP_TIMEOUT_S + FROZEN_S


def test_the_page_installs_what_serves_and_nothing_else() -> None:
    page = (ROOT / "docs/operating.md").read_text("utf-8")
    (target,) = re.findall(r"/opt/freshet && make (\S+)", page)
    told = subprocess.run(["make", "-nB", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "requirements/runtime.txt" in told and "ranker.pipeline.kernel.build" in told
    assert "requirements/dev.txt" not in told


def test_nothing_is_promised_to_systemd_that_workers_do_not_tell_it() -> None:
    """Readiness and a watchdog need words on a socket: nothing in the packages writes any."""
    promised = [
        unit.name
        for unit in (COMMON, *SERVICES)
        if re.search(r"^(WatchdogSec|Type=notify)", unit.read_text("utf-8"), re.M)
    ]
    speaks = [
        path
        for name in ("streams", "encoders")
        for path in (ROOT / name).rglob("*.py")
        if "NOTIFY_SOCKET" in path.read_text("utf-8")
    ]
    assert bool(promised) == bool(speaks)
