"""The same frames in every form that people keep them in."""

import json
import tarfile
import zipfile
from fractions import Fraction

import h5py
import numpy as np

VLEN = h5py.vlen_dtype(np.uint8)


def frames_of(folder):
    return sorted(folder.iterdir())


def as_hdf5(folders, path):
    with h5py.File(path, "w") as file:
        for folder in folders:
            frames = frames_of(folder)
            rows = file.create_dataset(folder.name, len(frames), VLEN)
            for at, frame in enumerate(frames):
                rows[at] = np.frombuffer(frame.read_bytes(), np.uint8)


def as_tar(folders, path, inside=True):
    with tarfile.open(path, "w") as archive:
        for folder in folders:
            for frame in frames_of(folder):
                archive.add(frame, f"./{folder.name}/{frame.name}" if inside else f"./{frame.name}")


def as_zip(folders, path, inside=True, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for folder in folders:
            for frame in frames_of(folder):
                archive.write(frame, f"top/{folder.name}/{frame.name}" if inside else frame.name)


def as_gulp(folders, path, per_chunk=4):
    """A folder of GulpIO chunks."""
    path.mkdir()
    for chunk, start in enumerate(range(0, len(folders), per_chunk)):
        meta, data = {}, b""
        for folder in folders[start : start + per_chunk]:
            places = []
            for frame in frames_of(folder):
                content = frame.read_bytes()
                padding = -len(content) % 4
                places.append([len(data), padding, len(content) + padding])
                data += content + b"\0" * padding
            meta[folder.name] = {"meta_data": [{"label": "ape"}], "frame_info": places}
        (path / f"data_{chunk}.gulp").write_bytes(data)
        (path / f"meta_{chunk}.gmeta").write_text(json.dumps(meta))


def as_lmdb(folders, path, before="", subdir=True):
    """A database with a key per frame."""
    import lmdb

    with lmdb.open(str(path), map_size=1 << 26, subdir=subdir) as database, database.begin(write=True) as transaction:
        for folder in folders:
            for frame in frames_of(folder):
                transaction.put(f"{before}{folder.name}/{frame.name}".encode(), frame.read_bytes())


def make_video(path, codec, *, count=40, varying=True, seed=0, options=None, size=(64, 48)):
    """A video whose frames differ; with frame rates that vary if `varying`. Returns nothing: decode it to know it.

    The AVX-512 code of x264 reads beyond its own memory: without vector code the bytes are the same each time.
    """
    import av

    width, height = size
    options = (options or {"g": "8", "bf": "2"}) | ({"x264-params": "asm=0"} if codec == "libx264" else {})
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        unit = Fraction(1, 1000) if varying else Fraction(1, 25)
        stream.time_base = stream.codec_context.time_base = unit
        stamp = 0
        for at in range(count):
            picture = np.full((height, width, 3), at * 6 % 256, np.uint8)
            picture[:, : at * width // count] = rng.integers(0, 255, 3)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp, unit
            stamp += int(rng.integers(10, 90)) if varying else 1
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def all_frames(path):
    """Every frame that a decoder shows, one after the other from the start: uint8 [n, H, W, 3]."""
    import av

    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
