"""The contract, verified on a real Kafka."""

import json
import time

import pytest
from typer.testing import CliRunner

from schemas import topics
from schemas.settings.model import Settings
from streams.cli import contract
from streams.operations.contract import verify
from streams.operations.contract.rules import RULES
from tests.support.events import NOON
from tests.support.kafka_logs import Rec, good_log, home, send
from tests.support.made_again import delete_records

pytestmark = pytest.mark.connected


def test_verify_reads_a_broker_from_the_start(settings: Settings) -> None:
    log = good_log(settings.prefix)
    now_ms = int(time.time() * 1000)  # slates of 2022 expire within seconds, those of now after the test
    log[topics.RECOMMENDATIONS] = [one._replace(timestamp=now_ms) for one in log[topics.RECOMMENDATIONS]]
    send(settings, log)
    verified = list(verify.verify(settings))
    assert {one.topic: one.records for one in verified} == {
        topic.full(settings.prefix): len(log.get(topic, [])) for topic in RULES
    }
    assert [one.first for one in verified] == [[]] * len(RULES)
    wanted = ["--from-start", "--bootstrap", settings.bootstrap, "--prefix", settings.prefix]
    good = CliRunner().invoke(contract.app, ["verify", *wanted])
    slates = topics.RECOMMENDATIONS.full(settings.prefix)
    assert (good.exit_code, good.stdout.splitlines()[-1].split()) == (0, [slates, "4", "0"])
    profiles = topics.PROFILES.full(settings.prefix)
    send(settings, {topics.PROFILES: [Rec(profiles, home("ana"), 0, NOON, b"ana", b"\0")]})
    bad = CliRunner().invoke(contract.app, ["verify", *wanted])
    assert bad.exit_code == 1
    assert "profile of 1 bytes" in bad.stdout.splitlines()[-1]
    as_json = CliRunner().invoke(contract.app, ["verify", "--json", *wanted])
    assert json.loads(as_json.stdout)["breaches"] == 1
    delete_records(settings, topics.FEEDBACK)
    cut = CliRunner().invoke(contract.app, ["verify", *wanted])
    assert "(4 cannot be judged: what they follow from was deleted)" in cut.stdout
    told = json.loads(CliRunner().invoke(contract.app, ["verify", "--json", *wanted]).stdout)
    assert told["breaches"] == 1
    assert [one["not_judged"] for one in told["topics"] if one["topic"] == slates] == [4]
