"""The settings in which two results differ."""

from __future__ import annotations

import numpy as np

from gsm_bench.ensembles.members import OpenMember, common_tasks, member_label
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.evaluation.actions import SOURCE_WORDS
from gsm_bench.evaluation.compare import Comparison, Side
from gsm_bench.evaluation.input_differences import input_difference
from gsm_bench.signatures import SettingChange, setting_changes

UNKNOWN_SETTINGS = "unknown: not scored here"


def setting_differences(comparison: Comparison) -> list[SettingChange]:
    """Every setting that differs and could change a number: members, their signatures, views and weights, the space."""
    first, second = comparison.first, comparison.second
    members, others = ({member_label(member.spec): member for member in side.members} for side in (first, second))
    if len(members) == len(others) == 1:
        changes = _member_differences("", first.members[0], second.members[0])
    else:
        changes = [SettingChange("member", name, "-") for name in members if name not in others]
        changes += [SettingChange("member", "-", name) for name in others if name not in members]
        for name in (name for name in members if name in others):
            changes += _member_differences(f"{name}: ", members[name], others[name])
    spaces = [_spaces(side) for side in (first, second)]
    if spaces[0] != spaces[1] and (len(first.members), len(second.members)) != (1, 1):
        changes.append(SettingChange("space", *spaces))
    sources = [SOURCE_WORDS[rule.source] for rule in comparison.rules]
    if len(set(sources)) > 1:
        changes.append(SettingChange("actions", *sources))
    return changes


def _member_differences(prefix: str, member: OpenMember, other: OpenMember) -> list[SettingChange]:
    signatures = [one.head.provenance.signature or "" for one in (member, other)]
    if not all(signatures):
        changes = [SettingChange("signature", *(signature or UNKNOWN_SETTINGS for signature in signatures))]
    else:
        changes = setting_changes(*signatures)
    changes += _input_changes(member, other)
    if _offsets(member) != _offsets(other):
        changes.append(SettingChange("clip offsets in ticks", _offsets(member), _offsets(other)))
    if not np.isclose(member.weight, other.weight):
        changes.append(SettingChange("weight", f"{member.weight:.4g}", f"{other.weight:.4g}"))
    return [SettingChange(prefix + change.name, change.first, change.second) for change in changes]


def _input_changes(member: OpenMember, other: OpenMember) -> list[SettingChange]:
    """Numbers of frames and stored frames, where the files record others of the same videos."""
    difference = input_difference(member.head, other.head)
    changes = []
    if difference.counts:
        name, first, second = difference.first_count
        what = f"frames used ({difference.counts:,} of {difference.videos:,} videos, first {name!r})"
        changes.append(SettingChange(what, f"{first:,}", f"{second:,}"))
    if difference.frames:
        what = f"frames read ({difference.frames:,} of {difference.videos:,} videos, first {difference.first_frames!r})"
        changes.append(SettingChange(what, _place_of(member), _place_of(other)))
    return changes


def _place_of(member: OpenMember) -> str:
    provenance = member.head.provenance
    fingerprint = str((provenance.fingerprint or {}).get("frames", "unknown"))
    return f"{fingerprint[:8]} in {provenance.frames_path or 'an unknown place'}"


def _offsets(member: OpenMember) -> str:
    return ", ".join(f"{offset:g}" for offset in member.head.views[member.views]["offset"])


def _spaces(side: Side) -> str:
    tasks = common_tasks(side.members)
    return ", ".join(dict.fromkeys(fusion_space(side.members, task, side.space) for task in tasks))
