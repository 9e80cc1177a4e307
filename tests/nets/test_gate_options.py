"""Options of the gate-shift modules: how many, in which branch, with which gate (tables 1 and 2 of the paper)."""

import json

import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import save_file  # noqa: E402

from gsm_bench.errors import CheckpointError, NetworkError  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.nets import build_network, load_checkpoint  # noqa: E402
from gsm_bench.nets.checkpoint_content import describe, read_checkpoint, stated_gate  # noqa: E402
from gsm_bench.nets.cost import count_cost, entry_cost  # noqa: E402
from gsm_bench.nets.gate_shift import GateShift  # noqa: E402
from gsm_bench.nets.identify import gate_of, gate_options, network_words  # noqa: E402
from gsm_bench.nets.inference import prepare_for_inference  # noqa: E402
from gsm_bench.nets.registry import network_for  # noqa: E402
from gsm_bench.settings import PAPER_BRANCHES  # noqa: E402
from tests.scoring.toys import make_checkpoint  # noqa: E402

BN_SIZES = (28, 28, 28, 14, 14, 14, 14, 14, 7, 7)
"""Side of the maps that a module of BN-Inception sees, block by block; both halving blocks halve after it."""
BN_CHANNELS = {
    "1x1": (64, 64, 128, 224, 192, 160, 96, 128, 352, 352),
    "3x3": (64, 64, 128, 64, 96, 128, 128, 128, 192, 192),
    "double_3x3": (64, 64, 64, 96, 96, 128, 160, 192, 160, 192),
    "pool_proj": (32, 64, 128, 128, 128, 128, 128, 128, 128, 128),
}
"""Channels of each module's convolution, from the layer list of the released network."""
PLAIN = (10_448_590, 16_254_033_920, 16_365_600_256)


def small(**options):
    return build_network(
        **{"backbone": "bninception", "temporal": "gsm", "frames": 2, "classes": 5, "width": 0.125, **options}
    )


def gates(network):
    return [name for name, module in network.base_model.named_children() if isinstance(module, GateShift)]


def opened(network):
    """The network with gates that are not zero."""
    for module in network.modules():
        if isinstance(module, GateShift):
            torch.nn.init.normal_(module.conv3D.weight, std=1)
    return network


def on_meta(*arguments, **options):
    with torch.device("meta"):
        return build_network(*arguments, **options)


@pytest.mark.parametrize(
    ("blocks", "params_m", "gflops"), [(0, 10.45, 16.37), (1, 10.46, 16.37), (5, 10.48, 16.39), (10, 10.50, 16.46)]
)
def test_cost_of_fewer_modules_is_printed_in_table_2(blocks, params_m, gflops):
    cost = count_cost(on_meta("bninception", "gsm", 8, gsm_blocks=blocks), 8, 224)
    assert (round(cost.params / 1e6, 2), round(cost.macs_paper / 1e9, 2)) == (params_m, gflops)
    assert cost.uncounted.get("tanh", 0) == blocks


@pytest.mark.parametrize("branch", [*BN_CHANNELS, "all"])
def test_cost_of_a_branch(branch):
    """A module of C channels on maps of S x S: 27 C multiply-adds per position, in the paper's convention 29 C + 2."""
    cost = count_cost(on_meta("bninception", "gsm", 8, gsm_branch=branch), 8, 224)
    modules = [
        (channels, side)
        for name in (BN_CHANNELS if branch == "all" else [branch])
        for block, (channels, side) in enumerate(zip(BN_CHANNELS[name], BN_SIZES, strict=True))
        if branch != "all" or block not in (2, 7) or name in ("3x3", "double_3x3")
    ]
    assert len(modules) == (36 if branch == "all" else 10)
    assert cost.params - PLAIN[0] == sum(29 * channels + 2 for channels, _ in modules)
    assert cost.macs_bare - PLAIN[1] == 8 * sum(27 * channels * side**2 for channels, side in modules)
    assert cost.macs_paper - PLAIN[2] == 8 * sum((29 * channels + 2) * side**2 for channels, side in modules)


@pytest.mark.parametrize("number", [1, 2, 3, 4, "1", "4"])
def test_branches_have_the_numbers_of_table_1(number):
    assert gates(small(gsm_branch=number)) == gates(small(gsm_branch=PAPER_BRANCHES[int(number)]))


def test_branch_4_is_the_released_one():
    assert gates(small(gsm_branch=4)) == gates(small())
    assert len(gates(small())) == 10


def test_modules_are_counted_from_the_last_block():
    assert gates(small(gsm_blocks=2)) == ["gsm_inception_5a_1x1", "gsm_inception_5b_1x1"]
    assert gates(small(gsm_blocks=3, gsm_branch="double_3x3"))[0] == "gsm_inception_4e_double_3x3_reduce"
    assert gates(small(gsm_blocks=1, gsm_branch="all")) == [
        f"gsm_inception_5b_{branch}" for branch in ("1x1", "3x3_reduce", "double_3x3_reduce", "pool_proj")
    ]
    assert gates(small(gsm_blocks=0, gsm_branch="all")) == []


@pytest.mark.parametrize(
    ("branch", "first", "mixed_3", "mixed_8", "count"),
    [
        ("1x1", "mixed_conv", "mixed_3_tower_conv", "mixed_8_tower_conv", 10),
        ("3x3", "mixed_tower_conv", "mixed_3_conv", "mixed_8_tower_conv", 10),
        ("double_3x3", "mixed_tower_1_conv", "mixed_3_tower_conv", "mixed_8_tower_1_conv", 10),
        ("pool_proj", "mixed_tower_2_conv", "mixed_3_tower_conv", "mixed_8_tower_conv", 10),
        ("all", "mixed_conv", "mixed_3_conv", "mixed_8_tower_1_conv", 36),
    ],
)
def test_branches_of_inceptionv3(branch, first, mixed_3, mixed_8, count):
    found = gates(on_meta("inceptionv3", "gsm", 2, 5, gsm_branch=branch))
    assert len(found) == count
    assert {f"gsm_{name}_Conv2D" for name in (first, mixed_3, mixed_8)} <= set(found)
    assert not any("mixed_6" in name for name in found)


@pytest.mark.parametrize("options", [{"gsm_branch": "all", "gate": "sigmoid"}, {"gsm_branch": 3, "gsm_blocks": 5}])
def test_prepared_networks_give_the_same_logits(options):
    torch.manual_seed(2)
    network = opened(small(**options)).eval()
    x = torch.randn(2, 2, 3, 64, 64) * 50
    with torch.inference_mode():
        expected, found = network(x), prepare_for_inference(network)(x)
    assert (found - expected).abs().max() <= 1e-4 * expected.std()
    assert expected.std() > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gsm_branch": 5}, "no gsm_branch 5; there are 1x1, 3x3, double_3x3, pool_proj, all, 1, 2, 3, 4"),
        ({"gsm_branch": 0}, "no gsm_branch 0"),
        ({"gsm_branch": True}, "no gsm_branch True"),
        ({"gsm_branch": 1.0}, "no gsm_branch 1.0"),
        ({"gsm_branch": ""}, "no gsm_branch ''"),
        ({"gsm_branch": "ALL"}, "no gsm_branch 'ALL'"),
        ({"gsm_blocks": -1}, "gsm_blocks is 0 to 10, not -1"),
        ({"gsm_blocks": 11}, "gsm_blocks is 0 to 10, not 11"),
        ({"gsm_blocks": True}, "whole number, not True"),
        ({"gsm_blocks": 5.0}, "whole number, not 5.0"),
        ({"gsm_blocks": "5"}, "whole number, not '5'"),
        ({"gate": "Tanh"}, "no gate 'Tanh'; there are tanh, sigmoid"),
        ({"gate": 1}, "no gate 1"),
        ({"temporal": "none", "gsm_branch": 1}, "'none' has no gate-shift modules: leave gsm_branch out"),
        ({"temporal": "none", "gate": "sigmoid"}, "leave gate out"),
        ({"temporal": "gsf", "gsm_branch": "all"}, "'gsf' has no gate-shift modules: leave gsm_branch out"),
    ],
)
def test_options_that_do_not_exist(options, words):
    with pytest.raises(ValueError, match=words):
        build_network(**{"backbone": "bninception", "temporal": "gsm", "width": 0.125, **options})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gsm_branch": "3x3"}, "GSM BN-Inception with 10 gate-shift modules in branch 3x3, 5 classes"),
        ({"gsm_branch": "all"}, "GSM BN-Inception with 36 gate-shift modules in all branches, 5 classes"),
        ({"gsm_blocks": 1}, "GSM BN-Inception with 1 gate-shift module, 5 classes"),
        ({"gsm_blocks": 0}, "TSN BN-Inception, 5 classes"),
    ],
)
def test_other_keys_are_refused_with_both_networks(tmp_path, options, words):
    torch.save({"state_dict": small(**options).state_dict()}, tmp_path / "a.pt")
    assert describe(read_checkpoint(tmp_path / "a.pt")) == words
    network = small()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(network, tmp_path / "a.pt")
    both = f"it looks like {words}; the network is GSM BN-Inception with 10 gate-shift modules, 5 classes"
    assert both in str(raised.value)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_modules_in_the_first_blocks_are_named_so(tmp_path):
    state = {k: v for k, v in small().state_dict().items() if "gsm_" not in k or "gsm_inception_3" in k}
    torch.save(state, tmp_path / "a.pt")
    assert describe(read_checkpoint(tmp_path / "a.pt")).startswith(
        "GSM BN-Inception with 3 gate-shift modules at other places"
    )


def test_another_gate_is_refused_though_all_keys_are_the_same(tmp_path):
    network, path = small(gate="sigmoid"), tmp_path / "a.safetensors"
    assert gate_options(network) == {"gate": "sigmoid", "gsm_blocks": "10", "gsm_branch": "1x1"}
    save_file(network.state_dict(), path, metadata=gate_options(network))
    load_checkpoint(small(gate="sigmoid"), path)
    with pytest.raises(CheckpointError, match="trained with sigmoid gates, and the network has tanh gates") as raised:
        load_checkpoint(small(), path)
    assert 'options.gate = "sigmoid"' in str(raised.value)


@pytest.mark.parametrize(
    ("beside", "gate"),
    [
        ({}, None),
        ({"gate": "sigmoid"}, "sigmoid"),
        ({"args": {"gate": "tanh"}}, "tanh"),
        ({"options": '{"gate": "sigmoid", "width": 0.25}'}, "sigmoid"),
        ({"options": '{"gate": '}, None),
        ({"options": "gate"}, None),
        ({"options": "[" * 100_000}, None),
        ({"gate": True}, None),
        ({"gate": ["tanh"]}, None),
        ({"gate": "relu", "config": {"gate": "sigmoid"}}, "sigmoid"),
    ],
)
def test_gate_that_a_file_states(tmp_path, beside, gate):
    torch.save({"state_dict": {"w": torch.zeros(1)}, **beside}, tmp_path / "a.pt")
    assert stated_gate(read_checkpoint(tmp_path / "a.pt")) == gate


def test_a_file_that_states_a_gate_fits_networks_without_gates(tmp_path):
    network = small(temporal="none")
    assert gate_options(network) == {}
    torch.save({"state_dict": network.state_dict(), "gate": "sigmoid"}, tmp_path / "a.pt")
    load_checkpoint(small(temporal="none"), tmp_path / "a.pt")


def add(gsmbench, workspace, *options):
    """Add the entry ``mine``: the toy network with other options, and an empty file as its checkpoint."""
    workspace.checkpoints.mkdir()
    (workspace.checkpoints / "mine.safetensors").touch()
    (workspace.data / "toy").mkdir(parents=True)
    (workspace.data / "toy" / "classes.txt").write_text("ape\nbee\ncat\ndog\nelk\n")
    sets = [word for option in options for word in ("--set", f"options.{option}")]
    return gsmbench("models", "add", "mine", "--like", "toy_bninc", "--checkpoint", "mine.safetensors", *sets)


def test_entries_have_these_options(gsmbench, workspace):
    assert add(gsmbench, workspace, 'gate="sigmoid"', "gsm_blocks=5", "gsm_branch=2").status == 0
    entry = load_manifest(workspace).model("mine")
    assert dict(entry.options) == {"width": 0.125, "gate": "sigmoid", "gsm_blocks": 5, "gsm_branch": 2}
    make_checkpoint(workspace, "mine")
    card = {
        row["what"]: row["value"]
        for row in json.loads(gsmbench("models", "show", "mine", "--format", "json").out)["rows"]
    }
    assert card["gate-shift"] == "in the last 5 blocks, branch 3x3 (2 in table 1), sigmoid gates"
    assert int(card["parameters"].replace(",", "")) == entry_cost(entry).params
    assert gsmbench("models", "check", "mine").status == 0
    wrong = gsmbench("models", "check", "toy_bninc", "--file", workspace.checkpoints / "mine.safetensors")
    assert "5 gate-shift modules in branch 3x3" in wrong.out


def test_check_names_both_gates(gsmbench, workspace):
    from safetensors.torch import load_file

    make_checkpoint(workspace, "toy_bninc")
    path = workspace.checkpoints / "toy_bninc.safetensors"
    save_file(load_file(path), path, metadata={"frames": "4", "gate": "sigmoid"})
    ran = gsmbench("models", "check", "toy_bninc")
    assert ran.status == 1
    assert "gate     sigmoid, the entry says tanh" in ran.out
    assert "does NOT fit toy_bninc" in ran.out
    assert "the file says sigmoid gates, the entry tanh" in ran.out


@pytest.mark.parametrize("option", ['gsm_branch="5"', "gsm_blocks=20", 'gate="relu"', "gsm_branch=true"])
def test_wrong_options_of_entries_are_one_error(gsmbench, workspace, option):
    assert add(gsmbench, workspace, option).status == 0
    ran = gsmbench("models", "cost", "mine")
    assert ran.status == 1
    assert option.partition("=")[0] in ran.err
    shown = gsmbench("models", "show", "mine")
    assert shown.status == 0
    assert "no gsm_branch" in shown.out or "gsm_blocks is" in shown.out or "no gate" in shown.out


def test_the_released_networks_show_their_gates(gsmbench, workspace):
    def card(name):
        rows = json.loads(gsmbench("models", "show", name, "--format", "json").out)["rows"]
        return {row["what"]: row["value"] for row in rows}

    assert card("bninc_8f")["gate-shift"] == "in all blocks, branch 1x1 (4 in table 1), tanh gates"
    assert "gate-shift" not in card("tsn_bninc_8f")


def test_wrong_options_name_the_entry():
    from dataclasses import replace

    entry = load_manifest().model("shapes_8f")
    wrong = replace(entry, options={**entry.options, "gsm_branch": "left"})
    with pytest.raises(NetworkError, match="shapes_8f: no gsm_branch 'left'") as raised:
        network_for(wrong)
    assert "gsm_branch" in (raised.value.fix or "")


def test_entries_of_tables_1_and_2_on_temporal_shapes():
    """Each row of both tables is another network, and the networks are those that the labels name."""
    manifest = load_manifest()
    words = {}
    for table in ("1.shapes", "2.shapes"):
        rows = [row for block in manifest.tables[table].blocks for row in block]
        for row in rows:
            entry = manifest.model(row.model)
            with torch.device("meta"):
                network = network_for(entry)
            shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
            words[table, row.label] = (network_words(shapes), gate_of(network))
            assert (entry.frames, entry.options["width"]) == (8, 0.25)
    gsm = "GSM BN-Inception with {}, 14 classes"
    assert words == {
        ("1.shapes", "double_3x3"): (gsm.format("10 gate-shift modules in branch double_3x3"), "tanh"),
        ("1.shapes", "3x3"): (gsm.format("10 gate-shift modules in branch 3x3"), "tanh"),
        ("1.shapes", "pool_proj"): (gsm.format("10 gate-shift modules in branch pool_proj"), "tanh"),
        ("1.shapes", "1x1"): (gsm.format("10 gate-shift modules"), "tanh"),
        ("1.shapes", "all"): (gsm.format("36 gate-shift modules in all branches"), "tanh"),
        ("2.shapes", "BN-Inception/4 (baseline)"): ("TSN BN-Inception, 14 classes", None),
        ("2.shapes", "BN-Inception/4 + 1 GSM"): (gsm.format("1 gate-shift module"), "tanh"),
        ("2.shapes", "BN-Inception/4 + 5 GSM"): (gsm.format("5 gate-shift modules"), "tanh"),
        ("2.shapes", "BN-Inception/4 + 10 GSM"): (gsm.format("10 gate-shift modules"), "tanh"),
        ("2.shapes", "BN-Inception/4 + 10 GSM, sigmoid"): (gsm.format("10 gate-shift modules"), "sigmoid"),
    }
