"""A decoder that hangs takes the process that it runs in, and nothing waits for it that does not need it."""

from functools import partial

from encoders.media.sandbox_client import MediaReader
from schemas.messages.dead_letters import Reason
from schemas.settings.model import Settings
from streams.encoding.media_loader import MediaLoader
from streams.encoding.pending_media import PendingMedia
from tests.support.encoding_step import Encoder, address, with_media
from tests.support.events import uploaded
from tests.support.sites import site


async def test_a_decoder_that_hangs_on_each_of_many_files_stops_no_other_upload() -> None:
    async with site() as here:
        settings = Settings(prefix="", media_hosts=address(here), media_s=1.0)
        hostile = partial(MediaReader, work="tests.support.hostile_decoders:hang")
        encoder = Encoder(settings, PendingMedia(MediaLoader(settings, reader=hostile).load))
        assert await encoder.apply(*with_media(6, f"{address(here)}/v"), uploaded("text", title="a title")) == ["text"]
        await encoder.finish()
    assert len(encoder.records) == 7 and encoder.reasons == [Reason.MEDIA] * 6
