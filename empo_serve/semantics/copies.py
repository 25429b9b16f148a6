"""Does an answer only repeat the question?

Agreement is cheap for answers that say nothing: a model that learns to hand the question back is
always of one mind. EMPO (arXiv 2504.05812) gives such answers no reward: those that stand in the
question word for word, and those whose words come from it in its order (ROUGE-L precision,
Lin 2004). Not covered: copies in other words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from empo_serve.semantics.questions import is_yes_no, options

_MAX_PRECISION = 0.8
# "Armstrong", "the Atlantic Ocean" or "red, white and blue" may stand in the question that they
# answer, so an answer of few words is never a copy.
_MIN_WORDS = 3
_MIN_SIGNS = 8  # of a script without spaces
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_ARTICLE = frozenset({"the", "a", "an"})
# One thing or another: the answer is one of them, and neither is long.
_CHOICE = re.compile(r"\b(?:or|oder|ou|o|или)\b|还是|或|または|それとも")
_MAX_CHOICE_WORDS = 8
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。？！])|\n")
_SHORT_PROMPT_WORDS = 40


def copies_question(question: str, answer: str) -> bool:
    """Is `answer`, the final answer of a completion, but a piece of `question`?

    Never where the question offers what to answer (options, yes or no, one thing or another), nor
    for a short answer.
    """
    text, asked = answer.lower().strip(), _asked(question.lower())
    words = text.split()
    num_words = sum(word not in _ARTICLE for word in words)
    if num_words < _MIN_WORDS and len(_NO_SPACES.findall(text)) < _MIN_SIGNS:
        return False
    if options(question) or is_yes_no(question):
        return False
    if num_words <= _MAX_CHOICE_WORDS and _CHOICE.search(asked):
        return False
    matched = _common_subsequence(asked.split(), words)
    return text in asked or matched / len(words) > _MAX_PRECISION


def _asked(prompt: str) -> str:
    """A short prompt as it is, of a longer one the sentences that ask: an answer found in the text
    that they are about is no copy."""
    if len(prompt.split()) <= _SHORT_PROMPT_WORDS:
        return prompt
    sentences = [
        part for part in _SENTENCE_END.split(prompt) if part.rstrip().endswith(("?", "？"))
    ]
    return " ".join(sentences) or prompt


def _common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, a bit for each word of `a` (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for i, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << i
    full = (1 << len(a)) - 1
    unmatched = full
    for word in b:
        hits = unmatched & places.get(word, 0)
        unmatched = (unmatched + hits | unmatched - hits) & full
    return len(a) - unmatched.bit_count()
