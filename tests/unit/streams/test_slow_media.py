"""Media hosts and files that take their time: nothing waits for them that does not need them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from inspect import signature
from math import inf

import pytest
import pytest_asyncio

from encoders.media.types import Media, MediaError
from schemas.messages.dead_letters import Reason
from schemas.messages.videos import Encoded, Upload, Withdrawn
from schemas.settings.media_hosts import hosts
from schemas.settings.model import Settings
from streams.encoding import circuit_breaker, pending_media
from streams.encoding.background import MAX_CROWDED_S, make_room
from streams.encoding.circuit_breaker import FAILURES, MAX_HOSTS, PAUSE_S, CircuitBreakers
from streams.encoding.daemon_threads import DaemonThreads
from streams.encoding.fetch import Rules, Wire, fetch
from streams.encoding.media_loader import FetchedMedia, MediaLoader
from streams.encoding.pending_media import PER_HOST, PendingMedia
from streams.kafka.client import GROUP
from tests.support.encoding_step import PATIENCE_S, Encoder, address, with_media
from tests.support.events import uploaded, withdrew
from tests.support.idle_time import skip_idle_time
from tests.support.sites import VIDEO, Net, Site, site


@pytest_asyncio.fixture
async def here() -> AsyncIterator[Site]:
    async with site() as running:
        yield running


def encoder_of(*sites: Site, media_s: float = 1.0) -> Encoder:
    settings = Settings(prefix="", media_hosts=",".join(map(address, sites)), media_s=media_s)
    return Encoder(settings, PendingMedia(MediaLoader(settings, wire()).load))


def wire(failures: float = FAILURES) -> Wire:
    """The network of this machine, reached without a thread; the pause of a host that fails is never over."""
    return Wire(Net({}, {}).resolve, circuits=CircuitBreakers(lambda: 0.0, failures))


async def test_uploads_of_text_alone_do_not_wait_for_a_host_that_says_nothing(here: Site) -> None:
    encoder = encoder_of(here, media_s=3600.0)
    texts = [uploaded(f"text-{at}", title="a title") for at in range(5)]
    async with asyncio.timeout(PATIENCE_S):
        at_once = await encoder.apply(*with_media(60, f"{address(here)}/silent"), *texts)
    assert at_once == [one.video_id for one in texts]
    assert len(encoder.media) == 60
    encoder.media.drop(encoder.media.first_offsets())


@pytest.mark.parametrize("path", ["silent", "drip", "to?/silent"])
async def test_a_host_that_hangs_is_given_up_for_all_its_uploads_together(here: Site, path: str) -> None:
    skip_idle_time()
    encoder = encoder_of(here)
    await encoder.apply(*with_media(60, f"{address(here)}/{path}"))
    await encoder.finish()
    assert {one.video_id for one in encoder.records} == {f"media-{at}" for at in range(60)}
    assert encoder.reasons == [Reason.MEDIA] * 60
    asked = sum(not target.endswith("/to?/silent") for target in here.asked)
    assert FAILURES <= asked <= FAILURES + 2 * PER_HOST  # the others were given up without a request


async def test_a_redirect_to_a_host_that_hangs_is_not_the_fault_of_the_host_that_redirects(here: Site) -> None:
    skip_idle_time()
    async with site() as other:
        rules, reached = Rules(hosts(f"{address(here)},{address(other)}"), None, 1000, 0.3), wire()
        for _ in range(FAILURES):
            with pytest.raises(MediaError, match="took longer"):
                await fetch(f"{address(here)}/to?{address(other)}/silent", rules, reached)
        with pytest.raises(MediaError, match=rf"{address(other)} failed 3 times in a row"):
            await fetch(f"{address(here)}/to?{address(other)}/v", rules, reached)
        assert await fetch(f"{address(here)}/v", rules, reached) == VIDEO


@pytest.mark.parametrize("path", ["status/500", "status/404", "huge", "endless", "v"])
async def test_a_host_that_answers_is_not_left_alone(here: Site, path: str) -> None:
    rules, reached = Rules(hosts(address(here)), None, 1000, 30.0), wire()
    for _ in range(FAILURES + 2):
        try:
            await fetch(f"{address(here)}/{path}", rules, reached)
        except MediaError as error:
            assert "in a row" not in str(error)
    assert len(here.asked) == FAILURES + 2 and len(reached.circuits) == 0


async def test_a_slow_host_leaves_room_for_the_others(here: Site) -> None:
    async with site() as other:
        encoder = encoder_of(here, other, media_s=3600.0)
        await encoder.apply(*with_media(40, f"{address(here)}/silent"))
        await encoder.apply(uploaded("other", title="a title", media_uri=f"{address(other)}/v"))
        async with asyncio.timeout(PATIENCE_S):
            while "other" not in [one.video_id for one in encoder.records]:
                await encoder.media.wait(1.0)
                await encoder.publish(await encoder.step.apply_loaded())
        assert len(here.asked) <= PER_HOST and len(encoder.media) == 40
        encoder.media.drop(encoder.media.first_offsets())


async def test_a_name_that_is_never_resolved_is_given_up(here: Site) -> None:
    async def never(name: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    skip_idle_time()
    rules, reached = Rules(hosts("media.test"), None, 1000, 0.2), Wire(never, Net({}, {}))
    for _ in range(FAILURES):
        with pytest.raises(MediaError, match="took longer"):
            await fetch("https://media.test/v", rules, reached)
    with pytest.raises(MediaError, match="in a row"):
        await fetch("https://media.test/v", rules, reached)


async def test_calls_that_hang_hold_neither_the_others_nor_the_end_and_are_counted() -> None:
    threads, hanging = DaemonThreads(3), threading.Event()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await threads.run(hanging.wait)
    assert await threads.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    third = asyncio.ensure_future(threads.run(hanging.wait))
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="too many calls hang"):
        await threads.run(lambda: 7)
    assert all(one.daemon for one in threading.enumerate() if "_work" in one.name)
    hanging.set()
    assert await third


async def test_a_withdrawal_or_another_upload_ends_the_wait_for_the_media_before(here: Site) -> None:
    encoder = encoder_of(here, media_s=3600.0)
    gone, again = (uploaded(name, title="old", media_uri=f"{address(here)}/silent") for name in ("gone", "again"))
    assert await encoder.apply(gone, again) == []
    assert await encoder.apply(withdrew("gone", gone.at_ms), uploaded("again", again.at_ms, title="new")) == [
        "gone",
        "again",
    ]
    assert len(encoder.media) == 0
    await encoder.finish()
    assert [type(one) for one in encoder.records] == [Withdrawn, Encoded]


async def test_where_too_many_uploads_wait_the_rest_is_embedded_by_text(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_media, "MAX_UPLOADS", 10)
    encoder = encoder_of(here, media_s=3600.0)
    await encoder.apply(*with_media(50, f"{address(here)}/silent"))
    async with asyncio.timeout(PATIENCE_S):
        await make_room(encoder.step, encoder.media, encoder.publish, lambda: False, limit_s=0.1)
    assert not encoder.media.is_crowded
    assert len(encoder.records) + len(encoder.media) == 50
    assert len(encoder.records) == len(encoder.reasons) == 40
    encoder.media.drop(encoder.media.first_offsets())


async def test_a_worker_that_has_to_end_does_not_wait_for_room(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_media, "MAX_UPLOADS", 10)
    encoder = encoder_of(here, media_s=3600.0)
    await encoder.apply(*with_media(50, f"{address(here)}/silent"))
    await make_room(encoder.step, encoder.media, encoder.publish, lambda: True)
    assert len(encoder.media) == 50 and encoder.media.first_offsets().popitem()[1] == 0  # they are read again
    encoder.media.drop(encoder.media.first_offsets())


def test_a_host_is_tried_by_one_file_after_the_pause_and_by_all_once_it_answers() -> None:
    now = [0.0]
    circuits = CircuitBreakers(lambda: now[0])
    for _ in range(FAILURES):
        circuits.check("slow.test")
        circuits.failed("slow.test")
    with pytest.raises(MediaError) as caught:
        circuits.check("slow.test")
    assert not caught.value.passing  # trying again at once would not help
    circuits.check("other.test")
    now[0] = PAUSE_S
    circuits.check("slow.test")
    with pytest.raises(MediaError):
        circuits.check("slow.test")  # the first one has not come back
    circuits.answered("slow.test")
    circuits.check("slow.test")


def test_hosts_that_fail_are_remembered_in_bounded_memory() -> None:
    circuits = CircuitBreakers(lambda: 0.0)
    for number in range(3 * MAX_HOSTS):
        circuits.failed(f"{number}.cdn.test")
    assert len(circuits) == circuit_breaker.MAX_HOSTS


async def test_where_only_this_machine_is_slow_no_more_is_given_up_than_there_is_no_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def load(upload: Upload) -> FetchedMedia:
        return FetchedMedia(Media())

    monkeypatch.setattr(pending_media, "MAX_UPLOADS", 60)
    encoder = Encoder(Settings(prefix=""), PendingMedia(load))
    await encoder.apply(*with_media(200, "v.mp4"))
    await make_room(encoder.step, encoder.media, encoder.publish, lambda: False, limit_s=0.0)
    assert len(encoder.reasons) == 140
    await encoder.finish()
    assert len(encoder.records) == 200 and len(encoder.reasons) == 140


def test_a_poll_waits_for_room_for_less_than_a_third_of_what_its_group_allows() -> None:
    assert signature(make_room).parameters["limit_s"].default == MAX_CROWDED_S
    assert GROUP["max.poll.interval.ms"] > 3 * 1000 * MAX_CROWDED_S


async def test_a_backfill_leaves_no_host_alone(here: Site) -> None:
    skip_idle_time()
    rules, reached = Rules(hosts(address(here)), None, 1000, 0.1), wire(failures=inf)
    for _ in range(2 * FAILURES):
        with pytest.raises(MediaError, match="took longer"):
            await fetch(f"{address(here)}/silent", rules, reached)
