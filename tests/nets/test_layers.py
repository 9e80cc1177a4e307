"""The layers of the networks, against tables 7 and 8 of the paper as printed."""

import json

import pytest

torch = pytest.importorskip("torch")

from gsm_bench.nets import build_network  # noqa: E402
from gsm_bench.nets.layers import network_layers  # noqa: E402

TABLE_7 = """
Conv 7x7/2 112x112x64
Max Pool 3x3/2 56x56x64
Conv 1x1/1 56x56x64
Conv 3x3/1 56x56x192
Max Pool 3x3/2 28x28x192
Inception-GSM 28x28x256
Inception-GSM 28x28x320
Inception-GSM 14x14x576
Inception-GSM 14x14x576
Inception-GSM 14x14x576
Inception-GSM 14x14x608
Inception-GSM 14x14x608
Inception-GSM 7x7x1056
Inception-GSM 7x7x1024
Inception-GSM 7x7x1024
Avg Pool 7x7/1 1x1x1024
Linear 1x1x174
"""
"""BN-Inception, 224 x 224, without the numbers of the two kinds of block."""
TABLE_8 = """
Conv 3x3/2 114x114x32
Conv 3x3/1 112x112x32
Conv 3x3/1 112x112x64
Max Pool 3x3/2 56x56x64
Conv 3x3/1 56x56x80
Conv 3x3/1 54x54x192
Max Pool 3x3/2 27x27x192
Inception-GSM 27x27x256
Inception-GSM 27x27x288
Inception-GSM 27x27x288
Inception-GSM 13x13x768
Inception-GSM 13x13x768
Inception-GSM 13x13x768
Inception-GSM 13x13x768
Inception-GSM 6x6x1280
Inception-GSM 6x6x2048
Inception-GSM 6x6x2048
Avg Pool 6x6/1 1x1x2048
Linear 1x1x174
"""
"""InceptionV3, 229 x 229. The network has a 1x1 convolution where this prints Conv 3x3/1 56x56x80, and one more block of
13x13x768, ``mixed_6``, which has no module."""


def lines(backbone, size, **options):
    with torch.device("meta"):
        network = build_network(backbone, "gsm", 8, **options)
    return [
        " ".join(f"{row.kind} {row.kernel} {row.output.replace(' ', '')}".split())
        for row in network_layers(network, size)
    ]


def test_bninception_is_table_7():
    assert lines("bninception", 224) == TABLE_7.split("\n")[1:-1]


def test_inceptionv3_is_table_8_but_for_two_rows():
    printed = TABLE_8.split("\n")[1:-1]
    printed[4] = "Conv 1x1/1 56x56x80"
    printed.insert(13, "Inception 13x13x768")
    assert lines("inceptionv3", 229) == printed


def test_the_network_stays_as_it_is():
    network = build_network("bninception", "gsm", 2, 5, width=0.125)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    rows = network_layers(network, 64)
    assert rows[-1].output == "1 x 1 x 5"
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_other_networks():
    with torch.device("meta"):
        shift, fuse = build_network("resnet50", "tsm", 8, 7), build_network("inceptionv3", "gsf", 8, 7)
        heads = build_network("bninception", "none", 8, {"verb": 3, "noun": 4, "action": 5}, width=0.25)
    assert [row.kind for row in network_layers(shift, 224)] == [
        "Conv", "Max Pool", "3 Residual-TSM", "4 Residual-TSM", "6 Residual-TSM", "3 Residual-TSM", "Avg Pool", "Linear"
    ]  # fmt: skip
    assert sum(row.kind == "Inception-GSF" for row in network_layers(fuse, 229)) == 11
    rows = network_layers(heads, 64)
    assert [(row.name, row.channels) for row in rows[-3:]] == [
        ("new_fc.verb", 3),
        ("new_fc.noun", 4),
        ("new_fc.action", 5),
    ]
    assert not any(row.gates for row in rows)


def test_gates_are_shown_where_they_are():
    with torch.device("meta"):
        network = build_network("bninception", "gsm", 8, width=0.25, gsm_blocks=3, gsm_branch="all")
    gates = {row.name: row.gates for row in network_layers(network, 64) if row.gates}
    four = ("1x1", "3x3_reduce", "double_3x3_reduce", "pool_proj")
    assert gates == {
        "inception_4e": ("3x3_reduce", "double_3x3_reduce"),
        "inception_5a": four,
        "inception_5b": four,
    }


def test_command(gsmbench, workspace):
    ran = gsmbench("models", "show", "bninc_8f", "--layers")
    assert ran.status == 0
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "inception_3c      Inception-GSM  -              14 x 14 x 576   3x3_reduce" in ran.out
    rows = json.loads(gsmbench("models", "show", "bninc_8f", "--layers", "--format", "json").out)["rows"]
    assert (rows[0]["kernel"], rows[0]["height"], rows[0]["width"], rows[0]["channels"]) == ("7x7/2", 112, 112, 64)
    assert rows[7]["gates"] == "3x3_reduce"


@pytest.mark.parametrize("form", ["csv", "md", "latex", "html"])
def test_every_format(gsmbench, workspace, form):
    ran = gsmbench("models", "show", "shapes_8f", "--layers", "--format", form)
    assert ran.status == 0
    assert "4 x 4 x 144" in ran.out


def test_command_with_modules_in_all_branches_is_80_columns_wide(gsmbench, workspace):
    text = (workspace.manifests / "toy.toml").read_text()
    (workspace.manifests / "toy.toml").write_text(text.replace("width = 0.125", 'width = 0.125, gsm_branch = "all"'))
    ran = gsmbench("models", "show", "toy_bninc", "--layers")
    assert "all 4 branches" in ran.out
    assert "all 2 branches" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_networks_of_the_user_are_never_run(gsmbench, workspace):
    ran = gsmbench("models", "show", "toy_4f", "--layers")
    assert ran.status == 1
    assert "toy_4f runs toynet:build, whose layers are not listed" in ran.err
    assert gsmbench("models", "show", "nothing", "--layers").status == 1
