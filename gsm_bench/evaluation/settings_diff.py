"""The settings in which two results differ."""

from __future__ import annotations

import numpy as np

from gsm_bench.ensembles.members import OpenMember, common_tasks
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.evaluation.compare import Side
from gsm_bench.signatures import SettingChange, setting_changes

MADE_ELSEWHERE = "not known: made elsewhere"


def setting_differences(first: Side, second: Side) -> list[SettingChange]:
    one, other = {_name(m): m for m in first.members}, {_name(m): m for m in second.members}
    if len(one) == len(other) == 1:
        changes = _member_differences("", first.members[0], second.members[0])
    else:
        changes = [SettingChange("member", name, "-") for name in one if name not in other]
        changes += [SettingChange("member", "-", name) for name in other if name not in one]
        for name in (name for name in one if name in other):
            changes += _member_differences(f"{name}: ", one[name], other[name])
    spaces = [_spaces(side) for side in (first, second)]
    if spaces[0] != spaces[1] and (len(first.members), len(second.members)) != (1, 1):
        changes.append(SettingChange("space", *spaces))
    return changes


def _member_differences(prefix: str, one: OpenMember, other: OpenMember) -> list[SettingChange]:
    signatures = [member.head.provenance.signature or "" for member in (one, other)]
    if not all(signatures):
        changes = [SettingChange("signature", *(signature or MADE_ELSEWHERE for signature in signatures))]
    else:
        changes = setting_changes(*signatures)
    if _views(one) != _views(other):
        changes.append(SettingChange("clips taken, offsets in ticks", _views(one), _views(other)))
    if not np.isclose(one.weight, other.weight):
        changes.append(SettingChange("weight", f"{one.weight:.4g}", f"{other.weight:.4g}"))
    return [SettingChange(prefix + change.name, change.first, change.second) for change in changes]


def _name(member: OpenMember) -> str:
    return f"{member.spec.label}@{member.spec.clips}" if (member.spec.clips or 1) > 1 else member.spec.label


def _views(member: OpenMember) -> str:
    return ", ".join(f"{offset:g}" for offset in member.head.views[member.views]["offset"])


def _spaces(side: Side) -> str:
    tasks = common_tasks(side.members)
    return ", ".join(dict.fromkeys(fusion_space(side.members, task, side.space) for task in tasks))
