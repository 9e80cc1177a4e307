"""Pictures and videos as people have them: each row of the table of frames that failed once, and others of its kind."""

from __future__ import annotations

import io
import re
import shutil
import struct
import unicodedata
import zipfile

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'gsm-bench[score]'")

from tests.cases.toy import (  # noqa: E402
    FRAMES,
    data_of,
    decoded,
    local,
    make_videos,
    noise,
    one_message,
    read_scores,
    save_weights,
    score_file,
    write_frames,
)

PNG = '[datasets.toy]\nlike = "toy"\nframe_pattern = "{id}/{frame:05d}.png"\n'


@pytest.fixture
def scored(workspace, gsmbench):
    """Score a place with videos listed without counts; returns the run and its score file's content."""
    save_weights(workspace)

    def score(ids, *options):
        data = data_of(workspace)
        (data / "bare.txt").write_text("".join(f"{name}\n" for name in ids))
        ran = gsmbench("score", "--model", "toy_4f", "--split", "bare", "--quiet", *options)
        path = score_file(workspace, split="bare")
        return ran, read_scores(path) if path.exists() else None

    return score


def check_alike(scored, ids):
    """All of `ids` are scored and have the scores of the last of them."""
    ran, scores = scored(ids)
    assert ran.status == 0, ran.err
    assert scores.status == [0] * len(ids)
    for row, name in enumerate(ids):
        assert np.abs(scores.action[row] - scores.action[-1]).max() < 1e-5, name


def saved(picture, form, **options):
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def one_frame(workspace, video, content, suffix="png"):
    folder = data_of(workspace) / "frames" / video
    folder.mkdir(parents=True)
    (folder / f"00001.{suffix}").write_bytes(content)


# Pictures of more than eight bits.


def grey16():
    return np.asarray(Image.open(FRAMES / "gray16.png")).astype(np.uint16)


def as_rgb(grey):
    return saved(Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)), "PNG")


def png16(samples, colour):
    """A 16-bit PNG of samples [H, W, channels]; Pillow writes grey ones only."""
    import zlib

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples.reshape(height, -1))
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def deep_pictures():
    grey = grey16()
    tiff = Image.fromarray(grey)
    opaque = np.full_like(grey, 65535)
    return {
        "gray16.png": (FRAMES / "gray16.png").read_bytes(),
        "little-endian.tiff": saved(tiff, "TIFF"),
        "big-endian.tiff": big_endian_tiff(grey),
        "rgb16.png": png16(np.stack([grey] * 3, axis=2), 2),
        "grey-alpha16.png": png16(np.stack([grey, opaque], axis=2), 4),
        "rgba16.png": png16(np.stack([grey, grey, grey, opaque], axis=2), 6),
        "int32.tiff": saved(Image.fromarray(grey.astype(np.int32)), "TIFF"),
    }


def big_endian_tiff(grey):
    height, width = grey.shape
    tags = [(256, 3, width), (257, 3, height), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    tags += [(278, 3, height), (279, 4, grey.size * 2)]
    body = grey.astype(">u2").tobytes()
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in tags
    )
    return b"MM\0*" + struct.pack(">I", 8 + len(body)) + body + struct.pack(">H", len(tags)) + entries + b"\0" * 4


@pytest.mark.parametrize("name", list(deep_pictures()))
def test_sixteen_bits_are_scaled_to_eight(workspace, scored, name):
    local(workspace, PNG)
    one_frame(workspace, "deep", deep_pictures()[name])
    one_frame(workspace, "plain", as_rgb(grey16() // 257))
    if name == "int32.tiff":  # nothing says where its white is
        ran, scores = scored(["deep", "plain"])
        assert ran.status == 3 and scores.status == [2, 0]
        assert "deep" in ran.err
    else:
        check_alike(scored, ["deep", "plain"])


def shallow_pictures():
    grey = noise(1, 3)[0][:, :, 0] // 128 * 255
    picture = Image.fromarray(grey)
    return grey, {
        "one-bit.png": saved(picture.convert("1"), "PNG"),
        "palette.png": saved(picture.convert("P"), "PNG"),
        "grey.png": saved(picture, "PNG"),
        "opaque.png": saved(picture.convert("RGBA"), "PNG"),
    }


@pytest.mark.parametrize("name", list(shallow_pictures()[1]))
def test_fewer_bits_and_palettes_are_read(workspace, scored, name):
    local(workspace, PNG)
    grey, forms = shallow_pictures()
    one_frame(workspace, "shallow", forms[name])
    one_frame(workspace, "plain", as_rgb(grey))
    check_alike(scored, ["shallow", "plain"])


def test_numbers_without_a_range_are_no_picture(workspace, scored):
    local(workspace, PNG)
    one_frame(
        workspace, "floats", saved(Image.fromarray(np.random.default_rng(0).random((24, 32), np.float32)), "TIFF")
    )
    one_frame(workspace, "plain", as_rgb(grey16() // 257))
    ran, scores = scored(["floats", "plain"])
    assert ran.status == 3 and scores.status == [2, 0]
    assert "floats" in ran.err


# JPEGs that are damaged, of which the decoder only warns.


def sound_jpeg(**options):
    ramp = np.linspace(0, 255, 96, dtype=np.uint8)
    picture = np.stack(
        [np.tile(ramp, (72, 1)), noise(1, 5, (72, 96))[0][:, :, 0], np.tile(ramp[::-1], (72, 1))], axis=2
    )
    return saved(Image.fromarray(picture), "JPEG", quality=85, **options)


def scan_of(jpeg):
    """Where the entropy-coded data begins and ends."""
    at = jpeg.index(b"\xff\xda")
    return at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big"), len(jpeg) - 2


def damaged_jpegs():
    jpeg = sound_jpeg()
    begin, end = scan_of(jpeg)
    middle = (begin + end) // 2
    restart = sound_jpeg(restart_marker_blocks=4)
    lost = restart.index(b"\xff\xd3")
    smooth = sound_jpeg(progressive=True)
    return {
        "zerotail": (FRAMES / "zerotail.jpg").read_bytes(),
        "hole": (FRAMES / "hole.jpg").read_bytes(),
        "cut": jpeg[:middle],
        "cut-and-ended": jpeg[:middle] + b"\xff\xd9",
        "no-end": jpeg[: end - 40],
        "zeros-inside": jpeg[:middle] + bytes(200) + jpeg[middle + 200 :],
        "ones-inside": jpeg[:middle] + b"\xff\x00" * 100 + jpeg[middle + 200 :],
        "block-lost": jpeg[:middle] + jpeg[middle + 512 :],
        "marker-inside": jpeg[:middle] + b"\xff\xd9" + jpeg[middle + 2 :],
        "restart-lost": restart[:lost] + restart[lost + 900 :],
        "progressive-cut": smooth[: len(smooth) * 2 // 3] + b"\xff\xd9",
        "empty-scan": jpeg[:begin] + b"\xff\xd9",
    }


def sound_jpegs():
    jpeg = sound_jpeg()
    return {
        "plain": jpeg,
        "bytes-behind": jpeg + bytes(64),
        "comment": jpeg[:2] + b"\xff\xfe\x00\x06text" + jpeg[2:],
        "fill-bytes": jpeg[:2] + b"\xff\xff" + jpeg[2:],
        "restart": sound_jpeg(restart_marker_blocks=4),
        "progressive": sound_jpeg(progressive=True),
        "optimised": sound_jpeg(optimize=True),
        "full-colour": sound_jpeg(subsampling=0),
        "grey": saved(Image.fromarray(noise(1, 8)[0][:, :, 0]), "JPEG"),
        "cmyk": saved(Image.fromarray(noise(1, 8)[0]).convert("CMYK"), "JPEG"),
    }


@pytest.fixture
def jpegs(workspace, scored):
    """Score videos of one JPEG each."""

    def score(pictures, *options):
        for video, content in pictures.items():
            one_frame(workspace, video, content, "jpg")
        return scored(list(pictures), *options)

    return score


@pytest.mark.parametrize("name", list(damaged_jpegs()))
def test_a_damaged_jpeg_is_a_bad_frame(jpegs, name):
    ran, scores = jpegs({name: damaged_jpegs()[name], "sound": sound_jpeg()})
    assert ran.status == 3, "the damage was hidden"
    assert scores.status == [2, 0]
    assert np.isnan(scores.action[0]).all()
    assert name in ran.err


@pytest.mark.parametrize("name", list(sound_jpegs()))
def test_a_sound_jpeg_is_read(jpegs, name):
    ran, scores = jpegs({name: sound_jpegs()[name]})
    assert ran.status == 0, ran.err
    assert scores.status == [0]


def test_a_damaged_jpeg_in_an_archive_is_a_bad_frame(workspace, scored):
    with zipfile.ZipFile(data_of(workspace) / "frames.zip", "w") as archive:
        archive.writestr("hole/00001.jpg", (FRAMES / "hole.jpg").read_bytes())
        archive.writestr("sound/00001.jpg", sound_jpeg())
    ran, scores = scored(["hole", "sound"])
    assert ran.status == 3 and scores.status == [2, 0]


def test_the_nearest_frame_stands_in_for_a_damaged_one(workspace, scored):
    write_frames(data_of(workspace) / "frames" / "v0", noise(4, 0))
    (data_of(workspace) / "frames" / "v0" / "00002.jpg").write_bytes((FRAMES / "hole.jpg").read_bytes())
    ran, scores = scored(["v0"], "--on-bad-frame", "nearest")
    assert scores.status == [1]
    assert "v0" in ran.err and "frame 2" in ran.err


def test_packing_leaves_a_damaged_jpeg_out(workspace, gsmbench):
    for name in ("zerotail", "hole"):
        one_frame(workspace, name, (FRAMES / f"{name}.jpg").read_bytes(), "jpg")
    one_frame(workspace, "sound", sound_jpeg(), "jpg")
    ran = gsmbench("pack", data_of(workspace) / "frames", "packed.h5", "--quiet")
    assert ran.status == 3, "the damage was packed in silence"
    assert "hole" in ran.err and "zerotail" in ran.err


# Videos: cut short or whole.


@pytest.fixture
def videos(workspace, scored):
    """Score video files; `expected` are frames that stand beside them as pictures."""

    def score(files, expected=None, *options):
        place = data_of(workspace) / "frames"
        place.mkdir(exist_ok=True)
        for name, content in files.items():
            (place / name).write_bytes(content)
        local(workspace, PNG)
        if expected is not None:
            write_frames(place / "expected", expected, name="{:05d}.png")
        ids = [*(name.rpartition(".")[0] for name in files), *(["expected"] if expected is not None else [])]
        return (ids, *scored(ids, *options))

    return score


def check_frames(videos, name, content, expected):
    """A video has the scores of the pictures that it shows."""
    ids, ran, scores = videos({name: content}, expected)
    assert ran.status == 0, ran.err
    assert scores.status == [0] * len(ids)
    assert scores.num_frames == [len(expected)] * len(ids)
    assert np.abs(scores.action[0] - scores.action[1]).max() < 1e-5


def case(name):
    return (FRAMES / name).read_bytes()


def avi_says(content, frames):
    """An AVI file whose two headers declare so many frames."""
    data = bytearray(content)
    main, stream = data.index(b"avih") + 8, data.index(b"strh") + 8
    data[main + 16 : main + 20] = struct.pack("<I", frames)
    data[stream + 32 : stream + 36] = struct.pack("<I", frames)
    return bytes(data)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_an_avi_cut_short_is_a_bad_video(videos, share):
    whole = case("title_cp1252.avi")
    cut = case("w02_cut.avi") if share == 0.6 else whole[: int(len(whole) * share)]
    _, ran, scores = videos({"half.avi": cut, "v01_plain.mp4": case("v01_plain.mp4")})
    assert ran.status == 3, "half of the frames are missing in silence"
    assert scores.status == [2, 0]
    assert "67" in ran.err and "cut" in ran.err


@pytest.mark.parametrize("off", [-2, -1, 1, 2])
def test_a_header_that_is_off_by_one_or_two_is_normal(videos, off):
    whole = case("title_cp1252.avi")
    check_frames(videos, "v.avi", avi_says(whole, 67 + off), decoded(FRAMES / "title_cp1252.avi"))


@pytest.mark.parametrize("name", ["w04_flv.flv", "w04_wmv.wmv", "w01_longlast.mp4", "v01_plain.mp4"])
def test_other_files_cut_short_are_bad_videos(videos, name):
    content = case(name)
    _, ran, scores = videos(
        {f"half.{name[-3:]}": content[: len(content) * 6 // 10], "whole.mp4": case("v01_plain.mp4")}
    )
    assert ran.status == 3
    assert scores.status == [2, 0]
    assert re.search("cut short|cannot be opened", ran.err), ran.err


def test_a_last_frame_shown_for_long_is_no_cut(videos):
    check_frames(videos, "w01_longlast.mp4", case("w01_longlast.mp4"), decoded(FRAMES / "w01_longlast.mp4"))


def test_a_long_last_frame_in_a_segmented_file(workspace, videos):
    """The same in Matroska, whose frames have no durations."""
    path = workspace.root / "long.mkv"
    with av.open(str(FRAMES / "w01_longlast.mp4")) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    check_frames(videos, "long.mkv", path.read_bytes(), decoded(path))


# Videos: turned and mirrored.

TURNS = {
    "as-it-is": (1, 0, 0, 1), "mirrored": (-1, 0, 0, 1), "upside-down-mirrored": (1, 0, 0, -1), "half-turn": (-1, 0, 0, -1),
    "quarter-right": (0, 1, -1, 0), "quarter-left": (0, -1, 1, 0), "transposed": (0, 1, 1, 0), "transverse": (0, -1, -1, 0),
}  # fmt: skip


def with_matrix(content, matrix):
    """An MP4 file whose track is shown by the display matrix (a, b, c, d): x' = a x + c y, y' = b x + d y."""
    a, b, c, d = (round(65536 * value) for value in matrix)
    data = bytearray(content)
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return bytes(data)


def shown(picture, matrix):
    a, b, c, d = matrix
    turned = picture if a else picture.transpose(1, 0, 2)
    turned = turned[:, ::-1] if a + c < 0 else turned
    return np.ascontiguousarray(turned[::-1] if b + d < 0 else turned)


@pytest.mark.parametrize("turn", list(TURNS))
def test_a_display_matrix_is_applied(videos, turn):
    matrix = TURNS[turn]
    expected = [shown(picture, matrix) for picture in decoded(FRAMES / "v01_plain.mp4")]
    check_frames(videos, "v.mp4", with_matrix(case("v01_plain.mp4"), matrix), expected)


@pytest.mark.parametrize(("name", "turn"), [("v03_hflip.mp4", "mirrored"), ("v02_rot90.mp4", "quarter-left")])
def test_the_files_that_failed_are_shown_upright(videos, name, turn):
    plain = decoded(FRAMES / "v01_plain.mp4")
    expected = [shown(picture, TURNS[turn]) for picture in plain]
    check_frames(videos, name, case(name), expected)


def test_packing_applies_a_display_matrix(workspace, videos, gsmbench):
    data = data_of(workspace)
    (data / "videos").mkdir()
    (data / "videos" / "v.mp4").write_bytes(case("v03_hflip.mp4"))
    assert gsmbench("pack", data / "videos", "packed.h5", "--lossless", "--quiet").status == 0
    import h5py

    with h5py.File("packed.h5") as file:
        first = np.asarray(Image.open(io.BytesIO(file["v"][0].tobytes())).convert("RGB"))
    assert np.array_equal(first, decoded(FRAMES / "v01_plain.mp4")[0][:, ::-1])


# Videos: what a container may say, and what they are called.


@pytest.mark.parametrize("name", ["title_cp1252.avi", "title_cp1252.mp4"])
def test_text_that_is_not_utf8_is_no_fault(videos, name):
    check_frames(videos, name, case(name), decoded(FRAMES / name))


def test_other_text_that_is_not_utf8(workspace, videos):
    """In a Matroska file's title, and in the handler of a track."""
    path = workspace.root / "title.mkv"
    with av.open(str(FRAMES / "v01_plain.mp4")) as source, av.open(str(path), "w") as target:
        target.metadata["title"] = "MARKMARK"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    content = path.read_bytes().replace(b"MARKMARK", b"\x8c\xe9MARKMA")
    check_frames(videos, "title.mkv", content, decoded(path))
    shutil.rmtree(workspace.root / "data")
    score_file(workspace, split="bare").unlink()
    handler = case("v01_plain.mp4").replace(b"VideoHandler", b"Vid\xe9oHandler"[:12])
    check_frames(videos, "handler.mp4", handler, decoded(FRAMES / "v01_plain.mp4"))


@pytest.mark.parametrize("name", ["w04_flv.flv", "w04_ts.ts", "w04_wmv.wmv"])
def test_extensions_of_the_cases(videos, name):
    check_frames(videos, name, case(name), decoded(FRAMES / name))


MADE = {
    "a.m2ts": ("mpegts", "mpeg2video"), "a.mts": ("mpegts", "mpeg2video"), "a.3gp": ("3gp", "mpeg4"),
    "a.mpeg": ("mpeg", "mpeg2video"), "a.ogv": ("ogg", "libvpx"), "a.gif": ("gif", "gif"), "a.FLV": ("flv", "flv"),
    "a.vob": ("vob", "mpeg2video"), "a.divx": ("avi", "mpeg4"), "a.asf": ("asf", "wmv2"), "a.3g2": ("3g2", "mpeg4"),
    "a.m2v": ("mpeg2video", "mpeg2video"), "a.qt": ("mov", "mpeg4"), "a.f4v": ("mp4", "libx264"),
}  # fmt: skip


def make_video(path, form, codec, count=12, size=(64, 48)):
    with av.open(str(path), "w", format=form) as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for at, picture in enumerate(noise(count, 9, (size[1], size[0]))):
            frame = av.VideoFrame.from_ndarray(picture // 2 + at * 10, format="rgb24")
            for packet in stream.encode(frame):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)


@pytest.mark.parametrize("name", list(MADE))
def test_whatever_pyav_opens_is_read(workspace, videos, name):
    path = workspace.root / f"made.{name.rpartition('.')[2]}"
    make_video(path, *MADE[name])
    check_frames(videos, name, path.read_bytes(), decoded(path))


@pytest.mark.parametrize("name", [name for name in MADE if not name.endswith(".m2v")])
def test_whatever_is_cut_short_is_a_bad_video(workspace, videos, name):
    """A raw stream has neither a header nor an end; every other kind tells, by one of them or by its last packet."""
    path = workspace.root / f"made.{name.rpartition('.')[2]}"
    make_video(path, *MADE[name])
    content = path.read_bytes()
    _, ran, scores = videos({name: content[: len(content) * 6 // 10], "whole.mp4": case("v01_plain.mp4")})
    assert ran.status == 3, "frames are missing in silence"
    assert scores.status == [2, 0]
    assert re.search("cut short|cannot be opened", ran.err), ran.err


@pytest.mark.parametrize("name", ["w04_flv.flv", "w04_ts.ts"])
def test_a_list_may_name_the_suffix(workspace, scored, name):
    place = data_of(workspace) / "frames"
    place.mkdir()
    (place / name).write_bytes(case(name))
    ran, scores = scored([name])
    assert ran.status == 0, ran.err
    assert scores.num_frames == [67]


def test_packing_reads_the_same_extensions(workspace, gsmbench):
    place = data_of(workspace) / "frames"
    place.mkdir()
    for name in ("w04_flv.flv", "w04_ts.ts", "w04_wmv.wmv"):
        (place / name).write_bytes(case(name))
    ran = gsmbench("pack", place, "packed.h5", "--quiet")
    assert ran.status == 0, ran.err
    import h5py

    with h5py.File("packed.h5") as file:
        assert {name: len(file[name]) for name in file} == {"w04_flv": 67, "w04_ts": 67, "w04_wmv": 67}


def test_a_video_without_a_decoder_is_one_bad_video(videos):
    _, ran, scores = videos({"no_decoder.mp4": case("no_decoder.mp4"), "v01_plain.mp4": case("v01_plain.mp4")})
    assert "Traceback" not in ran.err
    assert ran.status == 3
    assert scores.status == [2, 0]
    assert "no_decoder" in ran.err


@pytest.mark.parametrize(
    "content", [b"", b"no video", b"<html>", bytes(5000), b"RIFF\xff\xff\xff\xffAVI LIST", b"\x1aE\xdf\xa3"]
)
def test_a_file_that_is_no_video_is_one_bad_video(videos, content):
    _, ran, scores = videos({"bad.avi": content, "v01_plain.mp4": case("v01_plain.mp4")})
    assert ran.status == 3 and scores.status == [2, 0]


# Names and places.


def test_a_folder_half_extracted_beside_its_video_is_said(workspace, scored):
    place = data_of(workspace) / "frames"
    write_frames(place / "v0", decoded(FRAMES / "v01_plain.mp4")[:9])
    (place / "v0.mp4").write_bytes(case("v01_plain.mp4"))
    ran, scores = scored(["v0"])
    assert scores.num_frames in ([9], [67])
    assert "v0.mp4" in ran.err and "9" in ran.err, "the message does not say which of the two was used"


@pytest.mark.parametrize("other", ["v0.zip", "v0.h5", "v0.avi"])
def test_any_two_forms_of_one_video_are_said(workspace, scored, other):
    place = data_of(workspace) / "frames"
    write_frames(place / "v0", noise(5, 0))
    if other == "v0.zip":
        with zipfile.ZipFile(place / other, "w") as archive:
            for frame in (place / "v0").iterdir():
                archive.write(frame, frame.name)
    elif other == "v0.h5":
        import h5py

        with h5py.File(place / other, "w") as file:
            rows = file.create_dataset("v0", 2, h5py.vlen_dtype(np.uint8))
            for at in range(2):
                rows[at] = np.frombuffer((place / "v0" / f"0000{at + 1}.jpg").read_bytes(), np.uint8)
    else:
        (place / other).write_bytes(case("title_cp1252.avi"))
    ran, _ = scored(["v0"])
    assert other in ran.err


@pytest.mark.parametrize(("listed", "there"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_composed_otherwise_are_the_same_names(workspace, scored, listed, there):
    name = "café_Ångström"
    write_frames(data_of(workspace) / "frames" / unicodedata.normalize(there, name), noise(5, 0))
    ran, scores = scored([unicodedata.normalize(listed, name)])
    assert ran.status == 0, ran.err
    assert scores.num_frames == [5]


def test_names_composed_otherwise_in_an_archive(workspace, scored):
    write_frames(workspace.root / "made", noise(5, 0))
    with zipfile.ZipFile(data_of(workspace) / "frames.zip", "w") as archive:
        for frame in (workspace.root / "made").iterdir():
            archive.write(frame, f"{unicodedata.normalize('NFD', 'é')}/{frame.name}")
    ran, scores = scored([unicodedata.normalize("NFC", "é")])
    assert ran.status == 0, ran.err
    assert scores.num_frames == [5]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm", ".MP4"])
def test_a_list_of_video_names_where_frames_lie_in_folders(workspace, scored, suffix):
    write_frames(data_of(workspace) / "frames" / "v0", noise(5, 0))
    ran, scores = scored([f"v0{suffix}"])
    assert ran.status == 0, ran.err
    assert scores.num_frames == [5]


@pytest.mark.parametrize("gone", [2, 6, 11, 20, 29])
def test_a_hole_in_numbered_frames_is_not_silent(workspace, scored, gone):
    """29 frames and a hole are not 29 frames, whether the run needs the one that is not there or not."""
    folder = data_of(workspace) / "frames" / "v0"
    write_frames(folder, noise(30, 0))
    (folder / f"{gone:05d}.jpg").unlink()
    ran, scores = scored(["v0"])
    assert ran.status == 3, f"{scores.num_frames} frames, in silence"
    assert f"{gone}" in ran.err and "missing" in ran.err


def test_a_hole_in_the_frames_of_an_archive_is_not_silent(workspace, scored):
    write_frames(workspace.root / "made", noise(30, 0))
    with zipfile.ZipFile(data_of(workspace) / "frames.zip", "w") as archive:
        for frame in (workspace.root / "made").iterdir():
            if frame.name != "00002.jpg":
                archive.write(frame, f"v0/{frame.name}")
    ran, _ = scored(["v0"])
    assert ran.status == 3
    assert "missing" in ran.err


def test_frames_that_begin_later_than_one_are_not_silent(workspace, scored):
    write_frames(data_of(workspace) / "frames" / "v0", noise(6, 0), first=5)
    ran, _ = scored(["v0"])
    assert ran.status in (1, 3)
    assert "1" in ran.err and "5" in ran.err


# Messages.


def test_packing_promises_no_gain_where_it_loses(workspace, gsmbench):
    place = data_of(workspace) / "frames"
    place.mkdir()
    (place / "v0.mp4").write_bytes(case("v01_plain.mp4"))
    ran = gsmbench("pack", place, "packed.h5", "--lossless", "--quiet")
    assert ran.status == 0, ran.err
    assert (workspace.root / "packed.h5").stat().st_size > len(case("v01_plain.mp4"))
    assert "gain" not in ran.out.lower(), "the file is larger than what it was made from"
    assert re.search(r"the file is [\d.]+ times as large as its source", ran.out)


def test_a_missing_video_gets_no_advice_that_cannot_help(workspace, scored):
    make_videos(workspace, [5])
    ran, _ = scored(["v0", "not-there"])
    assert ran.status == 3
    assert "not-there" in ran.err
    assert "nearest" not in ran.err, "there is no frame that could stand in"


def test_a_bad_frame_gets_the_advice_that_helps(workspace, scored):
    data = make_videos(workspace, [5, 5])
    (data / "frames" / "v0" / "00003.jpg").write_bytes(b"no picture")
    ran, _ = scored(["v0", "v1"])
    assert ran.status == 3
    assert "nearest" in ran.err


def test_all_videos_bad_is_one_message(workspace, scored):
    place = data_of(workspace) / "frames"
    place.mkdir()
    (place / "no_decoder.mp4").write_bytes(case("no_decoder.mp4"))
    ran, _ = scored(["no_decoder"], "--on-bad-frame", "error")
    assert "no_decoder" in one_message(ran)


def test_the_form_of_a_video_can_be_chosen(workspace, scored):
    place = data_of(workspace) / "frames"
    write_frames(place / "v0", noise(5, 0))
    (place / "v0.avi").write_bytes(case("title_cp1252.avi"))
    ran, scores = scored(["v0"])
    assert scores.num_frames == [5]
    assert "v0 (5 frames) is read, not v0.avi (67 frames)" in ran.err
    assert "v0.avi" in scores.provenance["frames_note"]
    ran, scores = scored(["v0"], "--prefer", "file", "--fresh")
    assert scores.num_frames == [67]
    assert "v0.avi (67 frames) is read, not v0 (5 frames)" in ran.err


def test_what_is_read_does_not_depend_on_what_was_read_before(workspace, scored):
    """After a video file, the next video is still read from its folder."""
    place = data_of(workspace) / "frames"
    write_frames(place / "v1", noise(5, 0))
    for name in ("v0", "v1"):
        (place / f"{name}.avi").write_bytes(case("title_cp1252.avi"))
    _, scores = scored(["v0", "v1"])
    assert scores.num_frames == [67, 5]


def test_no_video_of_the_list_is_one_error_with_names(workspace, scored):
    make_videos(workspace, [5, 5])
    ran, scores = scored([f"other{at}" for at in range(300)])
    message = one_message(ran)
    assert scores is None
    assert "'other0'" in message and "'v0', 'v1'" in message
    assert len(message) < 800


def test_an_avi_with_dropped_frames_is_complete(workspace, videos):
    """Its header counts frames that were dropped in recording; the file is as long as it says."""
    path = workspace.root / "made.avi"
    make_video(path, "avi", "mpeg4")
    check_frames(videos, "v.avi", avi_says(path.read_bytes(), 40), decoded(path))


def test_a_video_turned_by_another_angle_is_a_bad_video(videos):
    _, ran, scores = videos({"v.mp4": with_matrix(case("v01_plain.mp4"), (0.866, 0.5, -0.5, 0.866))})
    assert ran.status == 3 and scores.status == [2]
    assert "turned by 30 degrees" in ran.err
