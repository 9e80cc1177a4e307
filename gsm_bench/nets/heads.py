"""Classifiers on the pooled features of a frame: one for actions, or three that share what the actions say."""

from __future__ import annotations

from torch import Tensor, nn

TASKS = ("verb", "noun", "action")


class VerbNounActionHead(nn.Module):
    """Verb, noun and action classifiers for EPIC-KITCHENS.

    The action classifier sees the features alone; verbs and nouns each add a learned linear map of the action logits
    as a bias: ``verb = W_v f + b_v + U_v a``. No checkpoint of the authors' was released: the names are our own.
    """

    def __init__(self, features: int, classes: dict[str, int]) -> None:
        super().__init__()
        if set(classes) != set(TASKS) or min(classes.values()) < 1:
            raise ValueError(f"this head has classes for {', '.join(TASKS)}, at least one each, not {classes}")
        actions = classes["action"]
        self.action = nn.Linear(features, actions)
        self.verb = nn.Linear(features, classes["verb"])
        self.noun = nn.Linear(features, classes["noun"])
        self.verb_from_action = nn.Linear(actions, classes["verb"], bias=False)
        self.noun_from_action = nn.Linear(actions, classes["noun"], bias=False)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """float32 [B*T, F] -> logits [B*T, C] per task."""
        action = self.action(features)
        return {
            "verb": self.verb(features) + self.verb_from_action(action),
            "noun": self.noun(features) + self.noun_from_action(action),
            "action": action,
        }


def by_task(output: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    """Logits [B, C] by task; a network that returns them alone returns those of ``action``."""
    return output if isinstance(output, dict) else {"action": output}


def build_head(features: int, classes: int | dict[str, int]) -> nn.Module:
    """A linear classifier for C classes, or three classifiers for classes per task."""
    return nn.Linear(features, classes) if isinstance(classes, int) else VerbNounActionHead(features, classes)
