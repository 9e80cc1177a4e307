from gsm_bench.signatures import Knob, differing_knobs, signature_difference

BEFORE = 'network=bninception/gsm/8f; input={"mean":[104,117,128],"size":224}; precision=float32; batch=2'
NOW = 'network=bninception/gsm/8f; input={"mean":[0,0,0],"size":224}; precision=bfloat16; batch=2'


def test_differing_knobs_are_named_exactly():
    assert differing_knobs(BEFORE, NOW) == [
        Knob("input.mean", "[104, 117, 128]", "[0, 0, 0]"),
        Knob("precision", "float32", "bfloat16"),
    ]
    assert differing_knobs(BEFORE, BEFORE) == []


def test_a_knob_that_one_side_lacks():
    assert differing_knobs(BEFORE, f"{BEFORE}; order=reversed") == [Knob("order", "-", "reversed")]


def test_difference_in_words():
    assert "    precision: there float32, now bfloat16" in signature_difference(BEFORE, NOW).splitlines()
    assert "made elsewhere" in signature_difference("", NOW)
