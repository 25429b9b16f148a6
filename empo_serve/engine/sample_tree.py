"""Draws further samples along the tokens of those that an engine has written, exactly.

The log-probabilities that come with samples are those that their tokens were drawn by. So the tree
of these tokens is a known part of the model's distribution, and a further sample can be drawn along
it by chance: at each token it goes to one of those that are known, each by its probability, or
leaves for one that is not. At an end it repeats a sample, and no engine is needed. Where it leaves,
an engine goes on, with the known tokens barred from the first place. Either way it is a sample of
the model, independent of the others, with the same log-probabilities.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from empo_serve.engine.drafts import Draft

# A sample that leaves the tree takes two requests instead of one. Below this probability of a
# repetition that costs more requests than repetitions save (bench/RESULTS.md, "Stopping early").
WORTHWHILE = 0.2


def next_drafts(drafts: Sequence[Draft], missing: int, rng: random.Random) -> list[Draft]:
    """What to draw after `drafts`, all finished: by their tree if that pays, else all that is
    missing plainly.

    How a sample is drawn may depend on those before it, since it is exact either way.
    """
    tree = SampleTree(drafts)
    if tree.mass < WORTHWHILE:
        return [Draft() for _ in range(missing)]
    # Not all at once: the next round knows more.
    return [tree.sample(rng) for _ in range(min(missing, len(drafts)))]


@dataclass(slots=True)
class _Node:
    """A token after those above it. `finish_reason` is set where a sample ended."""

    token_id: int = 0
    logprob: float = 0.0
    piece: str = ""
    finish_reason: str | None = None
    children: dict[int, _Node] = field(default_factory=dict)


class SampleTree:
    """The finished ones of `drafts`, all of one prompt and one version.

    `mass` is the probability that a further sample repeats one of them.
    """

    def __init__(self, drafts: Iterable[Draft]) -> None:
        self.mass = 0.0
        self._root = _Node()
        for draft in drafts:
            if _is_known(draft):
                self._add(draft)

    def _add(self, draft: Draft) -> None:
        node = self._root
        for token_id, logprob, piece in zip(
            draft.token_ids, draft.logprobs, draft.pieces, strict=True
        ):
            # The first numbers stay: an engine computes the same ones a little differently each
            # time, and a sample must not be drawn by one and reported with another.
            node = node.children.setdefault(token_id, _Node(token_id, logprob, piece))
        if node.finish_reason is None:
            node.finish_reason = draft.finish_reason
            self.mass += math.exp(math.fsum(draft.logprobs))

    def sample(self, rng: random.Random) -> Draft:
        """A repetition, finished, or the beginning of a new sample, with the tokens barred that
        would not lead out of the tree."""
        draft, node = Draft(), self._root
        while node.finish_reason is None:
            chance = rng.random()
            for child in node.children.values():
                chance -= math.exp(child.logprob)
                if chance < 0:
                    break
            else:
                draft.barred = {child.token_id: child.logprob for child in node.children.values()}
                return draft
            draft.token_ids.append(child.token_id)
            draft.logprobs.append(child.logprob)
            draft.pieces.append(child.piece)
            draft.text += child.piece
            node = child
        draft.finish_reason, draft.is_repetition = node.finish_reason, True
        return draft


def _is_known(draft: Draft) -> bool:
    """Is it whole, and do we have the text of each token, and the probability of its end?

    The token that ends an answer has no text. If the last one has some, then the engine has kept
    the end to itself.
    """
    has_end = draft.finish_reason == "length" or (
        draft.finish_reason == "stop" and draft.pieces[-1:] == [""]
    )
    return has_end and "".join(draft.pieces) == draft.text
