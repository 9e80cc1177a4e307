from gsm_bench.signatures import SettingChange, setting_changes, signature_difference

BEFORE = 'network=bninception/gsm/8f; input={"mean":[104,117,128],"size":224}; precision=float32; batch=2'
NOW = 'network=bninception/gsm/8f; input={"mean":[0,0,0],"size":224}; precision=bfloat16; batch=2'


def test_differing_changes_are_named_exactly():
    assert setting_changes(BEFORE, NOW) == [
        SettingChange("input.mean", "[104, 117, 128]", "[0, 0, 0]"),
        SettingChange("precision", "float32", "bfloat16"),
    ]
    assert setting_changes(BEFORE, BEFORE) == []


def test_a_setting_that_one_side_lacks():
    assert setting_changes(BEFORE, f"{BEFORE}; order=reversed") == [SettingChange("order", "-", "reversed")]


def test_difference_in_words():
    assert "    precision: there float32, now bfloat16" in signature_difference(BEFORE, NOW).splitlines()
    assert "has no signature" in signature_difference("", NOW)
