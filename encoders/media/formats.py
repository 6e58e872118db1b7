"""Which containers and codecs are read, and why some others are not."""

from io import FileIO

# What phones, browsers and studios make; none that names other files, as HLS, DASH, concat, SDP and IMF do.
FORMATS = "mov,matroska,webm,avi,flv,mpegts,mpeg,ogg,gif,apng,jpeg_pipe,png_pipe,webp_pipe,webp,wav,mp3,flac,aac,amr"
CODECS = (
    "h264,hevc,libdav1d,vp8,vp9,mpeg4,mpeg1video,mpeg2video,h263,flv,theora,mjpeg,png,apng,gif,webp,"
    "aac,mp3,mp3float,mp2,mp2float,opus,libopus,vorbis,flac,alac,ac3,eac3,amrnb,amrwb,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s32le,pcm_u8,pcm_f32le,pcm_mulaw,pcm_alaw"
)
HEIF = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis"))
ANIMATED = 0x02  # a flag of WebP's extended header


def why_not_read(file: FileIO) -> str | None:
    """Why a picture is not read that phones and browsers show, by the first bytes of its file; None for all others."""
    file.seek(0)
    head = file.read(64)
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, min(len(head), int.from_bytes(head[:4])), 4))}
        if brands & HEIF:
            name = "AVIF" if brands & {b"avif", b"avis"} else "HEIC"
            return f"the {name} picture is made of tiles, or damaged; only one in a single piece is read: send a JPEG"
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and head[20] & ANIMATED:
        return "an animated WebP is not read, only one that stands still; send it as MP4, GIF or APNG"
    return None
