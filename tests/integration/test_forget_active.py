"""Erasures of somebody who goes on acting, on a real Kafka."""

import pytest

from schemas.settings.model import Settings
from schemas.topics import RECOMMENDATIONS
from streams.operations.contract.verify import verify
from tests.integration.test_forget import CROWD, all_answered, encode, ran, say, watch
from tests.support.events import minute
from tests.support.system import agents, everything

pytestmark = pytest.mark.connected


def test_each_erasure_of_a_person_who_acts_meanwhile_is_waited_for_and_gives_its_null_slate(settings: Settings) -> None:
    gone, times = CROWD[0], 3
    with agents(settings, settings.data_dir, "profiles", "ranker"):
        encode(settings)
        all_answered(settings, watch(settings, CROWD, 0))
        for n in range(times):
            until = minute(100 * n + 50)
            watch(settings, [gone], 100 * n, count=40)
            say(settings, gone, until - 1)  # somebody else asks too
            watch(settings, [gone], 100 * n + 60, count=40)
            assert ran(settings, gone, "--at-ms", until, "--wait-s", 30).exit_code == 0
            watch(settings, [gone], 100 * n + 100, count=5)
    mine = [one.value is None for one in everything(settings, RECOMMENDATIONS) if one.key == gone.encode()]
    assert sum(mine) >= times
    assert [one for one in verify(settings) if one.breaches] == []
