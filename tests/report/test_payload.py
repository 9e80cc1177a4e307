"""The container of a report's numbers."""

import base64
import json
import zlib

import numpy as np
import pytest

from gsm_bench.report.payload import Payload, safe_json, smallest_unsigned


def test_arrays_are_where_the_index_says():
    payload = Payload()
    part = payload.split("toy/val")
    part.add("a", np.arange(3, dtype=np.uint8))
    part.add("b", np.array([[1.5, -2]], np.float32))
    part.add("two", np.array([1, 2, 0x1234], np.uint16))
    part.add_json("ids", ["ä", "</script>"])
    (split,) = payload.index()["splits"]
    blob = zlib.decompress(base64.b64decode(payload.encoded()["s0-core"]))
    a, b, two, ids = (split["arrays"][name] for name in ("a", "b", "two", "ids"))
    assert np.frombuffer(blob, np.uint8, 3, a["at"]).tolist() == [0, 1, 2]
    assert b["at"] % 4 == 0
    assert np.frombuffer(blob, "<f4", 2, b["at"]).tolist() == [1.5, -2]
    assert blob[two["at"] : two["at"] + 6] == bytes([1, 2, 0x34, 0, 0, 0x12])
    assert json.loads(blob[ids["at"] : ids["at"] + ids["bytes"]]) == ["ä", "</script>"]


def test_types_that_scripts_cannot_read_are_refused():
    with pytest.raises(TypeError, match="float64"):
        Payload().split("toy/val").add("a", np.zeros(2))


def test_json_cannot_end_its_element():
    value = {"</script>": "<!--\u2028\u2029&"}
    text = safe_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


@pytest.mark.parametrize(("highest", "kind"), [(174, np.uint8), (254, np.uint8), (255, np.uint16), (70_000, np.uint32)])
def test_one_value_is_left_for_unknown(highest, kind):
    assert smallest_unsigned(highest) is kind
