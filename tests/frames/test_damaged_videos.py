"""Errors that a decoder conceals are bad frames; sound videos of every legal kind have none."""

import logging
import random
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'gsm-bench[score]'")

from gsm_bench.errors import FrameError  # noqa: E402
from gsm_bench.frames.sources.decoder_errors import container_errors, decoding_errors  # noqa: E402
from gsm_bench.frames.sources.matroska import wrong_checksum  # noqa: E402
from gsm_bench.frames.sources.video import VideoReader  # noqa: E402
from tests.frames.forms import all_frames  # noqa: E402

FRAMES, GROUP = 30, 10
X264 = "x264-params"


def pictures():
    """Blocks that move below a bar, so that every frame differs and packets are not tiny."""
    blocks = np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)
    for number in range(FRAMES):
        picture = np.kron(np.roll(blocks, number // 2, axis=1), np.ones((8, 8, 1), np.uint8))
        picture[:, number * 3 : number * 3 + 6] = 255 - number
        yield picture


def write_video(path, codec, *, pix_fmt="yuv420p", b_frames=None, sound="", varying=False, muxer=None, **options):
    """A video of `FRAMES` frames of 96 x 64 pixels; its key frames are `GROUP` apart.

    The AVX-512 code of x264 reads beyond its own memory: without vector code the bytes are the same each time.
    """
    if codec == "libx264":
        options[X264] = f"{options[X264]}:asm=0" if X264 in options else "asm=0"
    with av.open(str(path), "w", options=muxer or {}) as file:
        stream = file.add_stream(
            codec, rate=25, options={name.replace("_", "-"): value for name, value in options.items()}
        )
        stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
        stream.codec_context.gop_size = GROUP
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        audio = file.add_stream(sound, rate=48_000) if sound else None
        for number, picture in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if varying:
                frame.pts, frame.time_base = number * 40 + (number % 3) * 11, Fraction(1, 1000)
            file.mux(stream.encode(frame))
            if audio is not None:
                silence = av.AudioFrame(format=audio.codec_context.format.name, layout="stereo", samples=1920)
                silence.sample_rate, silence.pts = 48_000, number * 1920
                for plane in silence.planes:
                    plane.update(bytes(plane.buffer_size))
                file.mux(audio.encode(silence))
        file.mux(stream.encode())
        if audio is not None:
            file.mux(audio.encode())
    return path


def seen(path, numbers=None):
    """Each frame as pixels or as the text of its error."""
    reader = VideoReader(path)
    read = reader.pictures(numbers or range(1, reader.count() + 1))
    return {
        number: picture.what if isinstance(picture, FrameError) else np.asarray(picture) for number, picture in read
    }


OPEN = {X264: f"open-gop=1:keyint={GROUP}:bframes=3:b-pyramid=normal"}
SOUND = {
    "vp8.webm": ("libvpx", {"lag_in_frames": "16", "auto_alt_ref": "1"}),
    "vp9.webm": ("libvpx-vp9", {"lag_in_frames": "16", "auto_alt_ref": "1"}),
    "vp9-vfr.webm": ("libvpx-vp9", {"varying": True}),
    "vp9-live.webm": ("libvpx-vp9", {"muxer": {"live": "1"}}),
    "vp9-sound.webm": ("libvpx-vp9", {"sound": "libopus"}),
    "mpeg4.avi": ("mpeg4", {}),
    "mpeg4-b.avi": ("mpeg4", {"b_frames": 2}),
    "mpeg4-qpel.mp4": ("mpeg4", {"flags": "+qpel+mv4"}),
    "mjpeg.avi": ("mjpeg", {"pix_fmt": "yuvj420p"}),
    "mjpeg-sound.avi": ("mjpeg", {"pix_fmt": "yuvj420p", "sound": "mp3"}),
    "h264.avi": ("libx264", {"b_frames": 3}),
    "h264.mp4": ("libx264", {"b_frames": 3}),
    "h264-open.mp4": ("libx264", OPEN),
    "h264-open.mkv": ("libx264", OPEN),
    "h264-open.ts": ("libx264", OPEN),
    "h264-refresh.mp4": ("libx264", {X264: f"intra-refresh=1:keyint={GROUP}"}),
    "h264-interlaced.mp4": ("libx264", {X264: f"interlaced=1:keyint={GROUP}:bframes=2"}),
    "h264-slices.mp4": ("libx264", {X264: "slices=4:ref=5:bframes=4:weightp=2"}),
    "h264-sound-vfr.mp4": ("libx264", {"sound": "aac", "varying": True}),
    "h264-fragments.mp4": ("libx264", {"muxer": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}}),
    "h264-live.mkv": ("libx264", {"muxer": {"live": "1"}}),
    "h264-no-crc.mkv": ("libx264", {"muxer": {"write_crc32": "0"}}),
    "hevc-open.mp4": ("libx265", {"x265_params": f"log-level=none:keyint={GROUP}:bframes=4:open-gop=1"}),
    "mpeg2-open.ts": ("mpeg2video", {"b_frames": 2}),
    "mpeg2.mpg": ("mpeg2video", {"b_frames": 2}),
    "ffv1.mkv": ("ffv1", {"level": "3", "slicecrc": "1"}),
}


@pytest.mark.parametrize("name", list(SOUND))
def test_sound_videos_have_no_bad_frame(tmp_path, name):
    codec, options = SOUND[name]
    try:
        path = write_video(tmp_path / name, codec, **options)
    except (av.codec.codec.UnknownCodecError, av.FFmpegError) as error:
        pytest.skip(f"no encoder: {error}")
    expected = all_frames(path)
    sets = (
        [5],
        [GROUP + 4],
        [17, 18],
        [3, len(expected)],
        [len(expected)],
        [11, 12, 24],
        list(range(1, len(expected) + 1)),
    )
    for numbers in sets:
        for number, picture in seen(path, numbers).items():
            assert not isinstance(picture, str), (numbers, picture)
            assert np.array_equal(picture, expected[number - 1])


@pytest.mark.parametrize("tail", [bytes(5000), b"\n# text\n" * 20, bytes(range(256)) * 10])
@pytest.mark.parametrize("name", ["vp9.webm", "h264.mkv", "mpeg4.avi", "h264.mp4"])
def test_bytes_after_the_end_are_no_damage(tmp_path, name, tail):
    path = write_video(tmp_path / name, {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(name[-4:].strip("."), "libx264"))
    path.write_bytes(path.read_bytes() + tail)
    assert not [text for text in seen(path).values() if isinstance(text, str)]


def packets(path):
    """Place and size in the file of each packet of the video, in stored order."""
    with av.open(str(path)) as file:
        return [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]


def overwritten(path: Path, number: int, share=0.4) -> Path:
    """The video with the end of a packet, a share of its bytes, made up."""
    content = bytearray(path.read_bytes())
    place, size = packets(path)[number]
    kept = size - int(size * share)
    content[place + kept : place + size] = random.Random(1).randbytes(size - kept)
    damaged = path.with_stem("damaged")
    damaged.write_bytes(content)
    return damaged


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.avi", "mpeg4", {}),
        ("a.avi", "mjpeg", {"pix_fmt": "yuvj420p"}),
        ("b.avi", "msmpeg4", {}),
        ("a.mp4", "libx264", {"profile": "baseline"}),
        ("a.mp4", "mpeg4", {}),
        ("a.flv", "flv1", {}),
    ],
)
def test_what_a_decoder_makes_up_is_a_bad_frame_with_the_count(tmp_path, name, codec, options):
    path = write_video(tmp_path / name, codec, **options)
    expected = seen(path)
    damaged = seen(overwritten(path, GROUP))
    texts = [text for text in damaged.values() if isinstance(text, str)]
    assert any("the decoder reports" in text and "error" in text for text in texts), texts
    for number, picture in damaged.items():
        if not GROUP < number <= 2 * GROUP:
            assert np.array_equal(picture, expected[number]), "damage reaches to the next key frame, and no further"


def test_an_error_of_the_key_frame_itself(tmp_path):
    """It does not end at that frame."""
    path = write_video(tmp_path / "a.mp4", "libx264")
    first_damaged = next(number for number, text in seen(overwritten(path, GROUP)).items() if isinstance(text, str))
    assert first_damaged <= GROUP + 1
    assert isinstance(seen(overwritten(path, GROUP))[GROUP + 1], str)


def test_a_lost_frame_of_an_avi_moves_all_that_follow(tmp_path):
    """They are counted, so no key frame ends it."""
    path = write_video(tmp_path / "a.avi", "mpeg4")
    content = bytearray(path.read_bytes())
    place, size = packets(path)[GROUP + 3]
    content[place : place + size] = bytes(size)
    path.write_bytes(content)
    after = seen(path)
    lost = [number for number, text in after.items() if isinstance(text, str)]
    assert lost
    assert lost == list(range(lost[0], len(after) + 1))


@pytest.mark.parametrize("codec", ["libx264", "ffv1", "libvpx"])
def test_any_changed_byte_of_a_matroska_cluster_is_seen(tmp_path, codec):
    path = write_video(tmp_path / "a.mkv", codec)
    assert wrong_checksum(path) == ""
    content, rng = path.read_bytes(), random.Random(0)
    for place in rng.sample(range(packets(path)[0][0], sum(packets(path)[-1])), 40):
        changed = bytearray(content)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(FrameError, match=r"damaged|cut short|cannot be"):
            VideoReader(path).count()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x00\x00", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x81\xff\xff"],
)
def test_odd_heads_have_no_checksum(tmp_path, content):
    path = tmp_path / "a.mkv"
    path.write_bytes(content)
    assert wrong_checksum(path) == ""


def test_messages_that_are_no_damage():
    said = [(16, "h264", "SEI type 5 size 2 truncated\n"), (24, "h264", "error while decoding\n"), (16, "aac", "bad\n")]
    assert decoding_errors(said, "h264", sought=False) == []
    reference = [(16, "h264", "mmco: unref short failure\n")]
    assert decoding_errors(reference, "h264", sought=True) == []
    assert decoding_errors(reference, "h264", sought=False) == ["mmco: unref short failure"]
    assert container_errors([(16, "matroska,webm", "Duplicate element\n")]) == []


def test_parallel_readers_do_not_hear_each_other(tmp_path):
    """The damage of one video is never that of another that is decoded meanwhile."""
    sound = write_video(tmp_path / "sound.avi", "mjpeg", pix_fmt="yuvj420p")
    damaged = overwritten(sound, 3)
    bad = {sound: set(), damaged: set()}

    def read(path):
        for _ in range(10):
            bad[path].add(tuple(number for number, text in seen(path).items() if isinstance(text, str)))

    threads = [threading.Thread(target=read, args=[path]) for path in (sound, damaged, sound, damaged)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bad[sound] == {()}
    assert len(bad[damaged]) == 1
    assert bad[damaged] != {()}


def test_nothing_is_printed(tmp_path, capfd, caplog):
    damaged = overwritten(write_video(tmp_path / "a.avi", "mpeg4"), 3)
    seen(damaged)
    assert capfd.readouterr().err == ""
    assert not [record for record in caplog.records if record.levelno > logging.ERROR]


@pytest.mark.parametrize("kind", ["hls", "concat"])
def test_a_list_of_other_files_is_no_video(tmp_path, kind):
    write_video(tmp_path / "inside.ts", "mpeg2video")
    texts = {"hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{tmp_path}/inside.ts\n#EXT-X-ENDLIST\n",
             "concat": "ffconcat version 1.0\nfile inside.ts\n"}  # fmt: skip
    path = tmp_path / ("a.m3u8" if kind == "hls" else "a.mp4")
    path.write_text(texts[kind])
    with pytest.raises(FrameError, match="list of other files"):
        VideoReader(path).count()
