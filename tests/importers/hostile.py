"""Files that attack, bombs and broken files, as bytes. Every attack would leave a file `canary` if it were run."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

import numpy as np

COMMAND = "touch canary"
TORCH_HEAD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03." + pickle.dumps(
    {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2
)


class Reduce:
    def __reduce__(self):
        import os

        return os.system, (COMMAND,)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def system(build: bytes = b"R") -> bytes:
    return b"\x80\x02cposix\nsystem\n" + text(COMMAND) + b"\x85" + build + b"."


def nested(inner: bytes) -> bytes:
    """A call of torch.storage._load_from_bytes on `inner`, inside one row of an mmaction2 dump."""
    return b"\x80\x03](}(" + text("pred_score") + nested_call(inner) + b"ue."


def nested_call(inner: bytes) -> bytes:
    return b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(inner)) + inner + b"\x85R"


def old_torch(main: bytes, keys: bytes = b"\x80\x02].", tail: bytes = b"") -> bytes:
    return TORCH_HEAD + main + keys + tail


def storage(kind: str = "FloatStorage", length: int = 4, key: str = "1") -> bytes:
    number = b"\x8a\x08" + struct.pack("<q", length)
    return (
        b"\x80\x02(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu") + number + b"tQ."
    )


def tensor(storage_bytes: bytes, size: int, stride: int = 1) -> bytes:
    """_rebuild_tensor_v2 over a nested storage, with a shape of its own."""
    number = b"\x8a\x08" + struct.pack("<q", size)
    return (
        b"\x80\x03ctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\nB"
        + struct.pack("<I", len(storage_bytes)) + storage_bytes + b"\x85RK\x00" + number + b"\x85"
        + bytes([0x4B, stride]) + b"\x85\x89}tR."
    )  # fmt: skip


def whole_storage(numbers: np.ndarray) -> bytes:
    keys = b"\x80\x02](" + text("1") + b"e."
    tail = struct.pack("<q", len(numbers)) + numbers.astype("<f4").tobytes()
    return old_torch(storage(length=len(numbers)), keys, tail)


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def npy(header: str, content: bytes = b"") -> bytes:
    padded = header.ljust(118) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode() + content


def array_with_state(shape: tuple[int, ...], content: bytes) -> bytes:
    """A numpy array whose state claims another shape than its bytes have."""
    state = (1, shape, np.dtype("f4"), False, content)
    rebuild = pickle.dumps(np.zeros(3, "f4"), 2)
    start = rebuild[: rebuild.rindex(b"(K\x01")]
    return start + pickle.dumps(state, 2)[2:-1] + b"b."


LEVELS = 30


def tower() -> bytes:
    """A tuple of tuples, each twice the last: its hash takes 2**30 steps."""
    return b"K\x01\x85q\x000" + b"h\x00h\x00\x86q\x000" * LEVELS + b"h\x00"


def hidden_tower(wrapped: bytes) -> bytes:
    """A dict with the tower as its key, as it is or as what an allowed name answers."""
    return b"\x80\x02}" + wrapped + b"K\x01s."


def deep_lists(levels: int) -> bytes:
    return b"\x80\x02" + b"]" * levels + b"a" * (levels - 1) + b"."


def laughs() -> bytes:
    """Lists of ten references to the last list, a billion in all."""
    levels = b"".join(b"](" + b"h\x00" * 10 + b"eq\x00" for _ in range(9))
    return b"\x80\x02]q\x00" + levels + b"."


ROWS = pickle.dumps([np.full(5, 0.2, "f4")] * 3, 2)

FILES: dict[str, tuple[bytes, str]] = {
    # name: (content, what the message says)
    "reduce": (pickle.dumps(Reduce(), 2), "posix.system"),
    "reduce_protocol_0": (pickle.dumps(Reduce(), 0), "posix.system"),
    "reduce_protocol_5": (pickle.dumps(Reduce(), 5), "posix.system"),
    "reduce_in_a_row": (pickle.dumps([{"pred_score": Reduce(), "gt_label": 1}], 4), "posix.system"),
    "eval": (b"\x80\x02c__builtin__\neval\n" + text("open('canary', 'w')") + b"\x85R.", "__builtin__.eval"),
    "builtins_getattr": (b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93.", "builtins.getattr"),
    "build": (b"\x80\x02ccollections\nOrderedDict\n)R}" + text("__class__") + b"K\x01sb.", "damaged"),
    "build_on_a_function": (b"\x80\x02c_codecs\nencode\n}" + text("_answer") + b"K\x01sb.", "damaged"),
    "build_on_a_type": (b"\x80\x02cnumpy\ndtype\nN}" + text("_answer") + b"K\x01s\x86b.", "damaged"),
    "inst": (b"(S'touch canary'\niposix\nsystem\n.", "posix.system"),
    "obj": (b"\x80\x02(cposix\nsystem\n" + text(COMMAND) + b"o.", "posix.system"),
    "newobj": (b"\x80\x02csubprocess\nPopen\n" + text(COMMAND) + b"\x85\x81.", "subprocess.Popen"),
    "newobj_of_an_allowed_name": (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "an instance of a class"),
    "extension_1": (b"\x80\x02\x82\xf0.", "the registered extension 240"),
    "extension_4": (b"\x80\x02\x84\xf0\x00\x00\x00" + text(COMMAND) + b"\x85R.", "the registered extension 240"),
    "setstate": (b"\x80\x02ctypes\nFunctionType\n)\x81}b.", "types.FunctionType"),
    "persistent_id": (b"\x80\x02" + text("storage") + b"Q.", "an object from outside the file"),
    "persistent_id_text": (b"(lp0\nPstorage\na.", "an object from outside the file"),
    "nested_reduce": (nested(system()), "posix.system"),
    "nested_torch_reduce": (nested(old_torch(system())), "posix.system"),
    "nested_torch_keys": (nested(old_torch(b"\x80\x02].", system())), "posix.system"),
    "nested_twice": (nested(old_torch(nested(old_torch(system())))), "a torch file inside a torch file"),
    "nested_inst": (nested(old_torch(b"(S'touch canary'\niposix\nsystem\n.")), "posix.system"),
    "nested_storage_of_code": (nested(old_torch(storage().replace(b"FloatStorage", b"hub"))), "torch.hub"),
    "torch_old_reduce": (old_torch(system()), "posix.system"),
    "torch_zip_reduce": (zipped({"a/data.pkl": system(), "a/version": b"3"}), "posix.system"),
    "torch_zip_huge_storage": (zipped({"a/data.pkl": storage(length=2**40), "a/data/1": b"1234"}), "larger than its file"),
    "torch_zip_bomb": (
        zipped({"a/data.pkl": b"\x80\x02].", "a/data/0": b"\0" * 2**26}, zipfile.ZIP_DEFLATED), "which torch never does",
    ),
    "npz_reduce": (
        zipped({"scores.npy": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", system())}), "posix.system",
    ),
    "npz_absurd_shape": (
        zipped({"scores.npy": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999), }", b"1234")}),
        "does not fit its 4 bytes",
    ),
    "npz_bomb": (zipped({"scores.npy": b"\0" * 2**27}, zipfile.ZIP_DEFLATED), "a bomb"),
    "npz_evil_header": (zipped({"scores.npy": npy("__import__('os').system('touch canary')")}), "damaged"),
    "object_array": (pickle.dumps(np.array([[1, 2], "x"], dtype=object), 2), "Python objects is a list"),
    "object_scalar": (
        pickle.dumps(np.float64(1), 2).replace(b"f8", b"O8"), "a numpy array of Python objects",
    ),
    "structured_array": (pickle.dumps(np.zeros(3, [("a", "f4")]), 2), "a numpy type with fields"),
    "absurd_array": (array_with_state((2**40, 2**20), b"12345678"), "does not fit its 8 bytes"),
    "negative_array": (array_with_state((-3,), b"12345678"), "does not fit its 8 bytes"),
    "absurd_tensor": (tensor(whole_storage(np.ones(4)), 2**40), "larger than its storage"),
    "absurd_tensor_without_stride": (tensor(whole_storage(np.ones(4)), 2**40, 0), "larger than its storage"),
    "absurd_storage": (nested(old_torch(storage(length=2**40))), "larger than its file"),
    "negative_storage": (nested(old_torch(storage(length=-4))), "damaged"),
    "short_storage": (tensor(whole_storage(np.ones(4))[:-3], 4), "damaged"),
    "deep_lists": (deep_lists(5_000), "deep"),
    "very_deep_lists": (deep_lists(1_000_000), "waiting for a container"),
    "deep_tuples": (b"\x80\x02)" + b"\x85" * 100_000 + b".", "deep"),
    "hash_bomb": (hidden_tower(tower()), "nested containers"),
    "hash_bomb_as_a_size": (hidden_tower(b"ctorch\nSize\n" + tower() + b"\x85R"), "damaged"),
    "hash_bomb_as_a_parameter": (
        hidden_tower(b"ctorch._utils\n_rebuild_parameter\n(" + tower() + b"\x89NtR"), "damaged",
    ),
    "hash_bomb_as_a_storage": (
        hidden_tower(nested_call(old_torch(b"\x80\x02" + tower() + b"."))), "damaged",
    ),
    "memo_bomb": (b"\x80\x02]r\xff\xff\xff\x7f.", "a memo of 2147483647 places"),
    "billion_laughs": (laughs(), "a list of 10"),
    "marks": (b"\x80\x02" + b"(" * 3_000_000 + b".", "waiting for a container"),
    "long_bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**50) + b"abc.", "damaged"),
    "long_number": (b"I" + b"9" * 100_000 + b"\n.", "damaged"),
    "truncated": (ROWS[:-30], "damaged"),
    "truncated_torch": (nested(whole_storage(np.ones(4))[:40]), "damaged"),
    "truncated_zip": (zipped({"scores.npy": b"\0" * 4096})[:-80], "damaged"),
    "empty": (b"", "0 bytes"),
    "one_byte": (b"\x80", "damaged"),
    "two_pickles": (ROWS + ROWS, "bytes follow the end of this pickle"),
    "none": (pickle.dumps(None), "one NoneType"),
    "number": (pickle.dumps(3), "one int"),
    "empty_list": (pickle.dumps([]), "a list of 0"),
    "wrong_rows": (pickle.dumps([{"pred_score": "text", "gt_label": 0}] * 2), "row 0 of pred_score holds 1 values"),
    "uneven_rows": (pickle.dumps([np.ones(5, "f4"), np.ones(4, "f4")] * 2), "row 1 of the list holds 4 values"),
    "labels_of_text": (pickle.dumps([{"pred_score": np.ones(5, "f4") / 5, "gt_label": "run"}]), "label 'run' in row 0 is not one class number"),
    "uneven_inside": (pickle.dumps([[1.0, 2.0, 3.0], [1.0, [2.0], 3.0]] * 2), "damaged"),
    "labels_beyond": (pickle.dumps([{"pred_score": np.ones(5, "f4") / 5, "gt_label": 7}]), "first 7 in row 0"),
    "web_page": (b"<!DOCTYPE html><html>sign in</html>", "a web page"),
    "binary": (bytes(range(256)) * 10, "nothing here reads"),
    "text": (b"hello\nworld\n", "no known format"),
    "foreign_zip": (zipped({"a.txt": b"hello"}), "neither npz nor torch's"),
}  # fmt: skip
