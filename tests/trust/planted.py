"""A data set of small videos, in which each damaged one has one kind of damage."""

import io
import shutil
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from tests.frames.forms import as_hdf5, as_tar, as_zip, frames_of, make_video

CASES = Path(__file__).parent.parent / "cases"
FRAMES, SIZE = 14, (48, 36)
SOUND = 90


def pictures(seed, frames=FRAMES, size=SIZE):
    """A textured scene, with noise, in which a bright square moves: uint8 [T, H, W, 3]."""
    rng = np.random.default_rng(seed)
    width, height = size
    coarse = rng.integers(20, 220, (6, 8, 3), np.uint8)
    scene = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), np.int16)
    video = np.clip(scene + rng.integers(-6, 7, (frames, height, width, 3)), 0, 255).astype(np.uint8)
    side = height // 3
    for at in range(frames):
        left = (width - side) * at // max(frames - 1, 1)
        video[at, side : 2 * side, left : left + side] = rng.integers(0, 255, 3) if at == 0 else video[0, side, 0]
    return video


def encoded(picture, form="JPEG", **options):
    out = io.BytesIO()
    Image.fromarray(picture).save(out, form, **({"quality": 92} if form == "JPEG" else {}) | options)
    return out.getvalue()


def write(folder, video, first=1, names="{:05d}.jpg", **options):
    folder.mkdir(parents=True)
    for at, picture in enumerate(video, start=first):
        (folder / names.format(at)).write_bytes(encoded(picture, **options))
    return folder


class Planter:
    """Plants one kind of damage per call; `expected` holds the kind by id, `listed` the frames in the list."""

    def __init__(self, root):
        self.root = root
        self.expected, self.listed = {}, {}
        self.seed = 10_000

    def video(self, name, kind, listed=FRAMES, **options):
        """A sound folder, to be damaged."""
        self.seed += 1
        self.expect(name, kind, listed)
        return write(self.root / name, pictures(self.seed), **options)

    def expect(self, name, kind, listed=FRAMES):
        self.expected[name], self.listed[name] = kind, listed

    def all(self):
        self.files()
        self.numbers()
        self.looks()
        self.videos()
        self.archives()
        return self

    def files(self):
        def replace(name, kind, content):
            (self.video(name, kind) / "00005.jpg").write_bytes(content)

        replace("zero-length", "empty-picture", b"")
        replace("cut-jpeg", "damaged", encoded(pictures(1)[0])[:700])
        replace("zero-tail", "damaged", (CASES / "frames" / "zerotail.jpg").read_bytes())
        replace("hole", "damaged", (CASES / "frames" / "hole.jpg").read_bytes())
        replace("error-page", "damaged", b"<html><body>404 Not Found</body></html>")
        replace("cut-png", "damaged", encoded(pictures(2)[0], "PNG")[:900])
        replace("wrong-png", "damaged", encoded(pictures(2)[0], "PNG").replace(b"IDAT", b"IDAX", 1))
        dangling = self.video("dangling-link", "gap") / "00005.jpg"
        dangling.unlink()
        dangling.symlink_to("/nowhere/00005.jpg")
        folder = self.video("folder-as-picture", "damaged") / "00005.jpg"
        folder.unlink()
        folder.mkdir()

    def numbers(self):
        (self.video("gap", "gap") / "00007.jpg").unlink()
        (self.video("no-first", "gap") / "00001.jpg").unlink()
        (self.video("no-last", "fewer-frames") / f"{FRAMES:05d}.jpg").unlink()
        self.video("longer", "more-frames", listed=FRAMES - 3)
        shutil.rmtree(self.video("empty-folder", "missing"))
        (self.root / "empty-folder").mkdir()
        self.expect("absent", "missing")
        twice = self.video("number-twice", "numbering")
        shutil.copy(twice / "00002.jpg", twice / "2.jpg")
        self.video("other-names", "numbering", names="img_{:05d}.jpg")
        self.video("from-zero", "numbering", first=0)

    def looks(self):
        rng = np.random.default_rng(3)
        mixed = self.video("one-larger", "mixed-size")
        (mixed / "00003.jpg").write_bytes(encoded(pictures(4, size=(64, 48))[0]))
        self.expect("other-size", "odd-size")
        write(self.root / "other-size", pictures(5, size=(80, 60)))
        for name, colour in (("black", (0, 0, 0)), ("white", (255, 255, 255)), ("blue", (30, 60, 200))):
            self.expect(name, "blank")
            flat = np.full((FRAMES, 36, 48, 3), colour) + rng.integers(-2, 3, (FRAMES, 36, 48, 3))
            write(self.root / name, np.clip(flat, 0, 255).astype(np.uint8))
        self.expect("frozen", "frozen")
        write(self.root / "frozen", np.repeat(pictures(6)[:1], FRAMES, axis=0))
        self.expect("frozen-tail", "repeated", 30)
        moving = pictures(7, 30)
        moving[12:] = moving[12]
        write(self.root / "frozen-tail", moving)
        self.expect("colourless", "grey")
        grey = pictures(8).mean(axis=3, keepdims=True).astype(np.uint8).repeat(3, axis=3)
        write(self.root / "colourless", grey)
        self.expect("black-inside", "blank-frames")
        dark = pictures(9)
        dark[5:9] = 0
        write(self.root / "black-inside", dark)
        self.expect("half-grey", "half-picture")
        half = pictures(10)
        half[4, 20:] = 128
        write(self.root / "half-grey", half)
        self.expect("copy", "duplicate")
        shutil.copytree(self.root / "v003", self.root / "copy")
        self.copied("encoded-again", "v004", quality=60)
        self.copied("resized", "v005", size=(96, 72))

    def copied(self, name, source, size=SIZE, quality=92):
        self.expect(name, "duplicate")
        (self.root / name).mkdir()
        for frame in frames_of(self.root / source):
            with Image.open(frame) as picture:
                picture.resize(size).save(self.root / name / frame.name, "JPEG", quality=quality)

    def videos(self):
        def cut(name, kind, content, suffix, share=0.6):
            self.expect(name, kind, 40)
            (self.root / f"{name}{suffix}").write_bytes(content[: int(len(content) * share)])

        aside = self.root.parent / "aside"
        aside.mkdir()
        sound = (CASES / "frames" / "v01_plain.mp4").read_bytes()
        cut("cut-mp4", "unreadable", sound, ".mp4")
        cut("header-only", "unreadable", sound, ".mp4", 0.001)
        cut("empty-video", "unreadable", b"", ".mp4")
        cut("text-video", "unreadable", b"Access denied. Log in first.\n" * 50, ".mp4")
        cut("cut-avi", "cut-short", (CASES / "frames" / "w02_cut.avi").read_bytes(), ".avi", 1)
        make_video(aside / "s.webm", "libvpx", count=40, varying=False)
        cut("cut-webm", "cut-short", (aside / "s.webm").read_bytes(), ".webm", 0.5)
        cut("no-decoder", "unreadable", (CASES / "frames" / "no_decoder.mp4").read_bytes(), ".mp4", 1)
        make_video(aside / "s.mp4", "libx264", count=60, varying=False, seed=5)
        content = bytearray((aside / "s.mp4").read_bytes())
        middle = content.index(b"mdat") + len(content) // 3
        content[middle : middle + 400] = np.random.default_rng(0).bytes(400)
        self.expect("bad-bytes", "damaged", 60)
        (self.root / "bad-bytes.mp4").write_bytes(content)
        self.expect("sound-only", "unreadable", 40)
        sound_only(self.root / "sound-only.mkv")
        self.expect("one-per-second", "odd-rate")
        slow_video(self.root / "one-per-second.mp4")
        self.video("both-forms", "several-forms")
        make_video(self.root / "both-forms.mp4", "libx264", count=40, varying=False)

    def archives(self):
        aside = self.root.parent / "aside"

        def folder(name, seed):
            return write(aside / name, pictures(seed))

        as_zip([folder("bad-zip", 21)], self.root / "bad-zip.zip")
        content = bytearray((self.root / "bad-zip.zip").read_bytes())
        content[content.index(b"\xff\xd9") - 60] ^= 255
        (self.root / "bad-zip.zip").write_bytes(content)
        self.expect("bad-zip", "damaged")
        as_tar([folder("cut-tar", 22)], aside / "cut-tar.tar")
        (self.root / "cut-tar.tar").write_bytes((aside / "cut-tar.tar").read_bytes()[:9000])
        self.expect("cut-tar", "unreadable")
        as_hdf5([folder("empty-row", 23)], self.root / "empty-row.h5")
        with h5py.File(self.root / "empty-row.h5", "r+") as file:
            file["empty-row"][4] = np.empty(0, np.uint8)
        self.expect("empty-row", "gap")
        as_hdf5([folder("cut-hdf5", 24)], aside / "cut-hdf5.h5")
        whole = (aside / "cut-hdf5.h5").read_bytes()
        (self.root / "cut-hdf5.h5").write_bytes(whole[: len(whole) // 2])
        self.expect("cut-hdf5", "unreadable")


def sound_only(path):
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        file.mux(stream.encode(frame))


def slow_video(path):
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = 48, 36, "yuv420p"
        for picture in pictures(31):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
