"""Equivalence by entailment in both directions, as in Farquhar et al. (Nature 2024).

Two answers mean the same when each follows from the other. The question stands before both sides:
"Paris" entails nothing by itself. EMPO's authors report that training on DeBERTa's verdicts was
hacked; a judge that reads the question was not (arXiv 2504.05812, appendix J).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empo_serve.config import SemanticsSection
from empo_serve.errors import StartupError
from empo_serve.semantics.base import Verdict, without_model
from empo_serve.semantics.extract import extract_answer

_LABELS = ("contradiction", "neutral", "entailment")
# Characters. A tokenizer cuts the end of a text that is too long, and the answer stands there.
_MAX_QUESTION = 600
_MAX_ANSWER = 600
_BATCH = 32


class NliEquivalence:
    """What a CrossEncoder with the three labels of NLI says of each pair.

    `nli_mode` "strict": the same when both directions entail. "loose": when neither contradicts and
    not both are neutral. A contradiction in either direction is different; anything else is None.
    Raises StartupError when sentence-transformers or the model is missing, or is no NLI model.
    """

    def __init__(self, section: SemanticsSection) -> None:
        if importlib.util.find_spec("sentence_transformers") is None:
            raise StartupError(
                "semantics.nli_model needs sentence-transformers: "
                "pip install 'empo-serve[semantics]'"
            )
        self._path = str(Path(section.nli_model).expanduser())
        if section.nli_model.startswith(("/", ".", "~")) and not Path(self._path).is_dir():
            raise StartupError(f"semantics.nli_model {section.nli_model} is no directory")
        self._is_loose = section.nli_mode == "loose"
        self._model: Any = None
        self._labels: list[str] = []

    def load(self) -> None:
        if self._model is not None:
            return
        from sentence_transformers import CrossEncoder
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        try:
            model = CrossEncoder(
                self._path, device="cpu", local_files_only=Path(self._path).is_dir()
            )
        except (OSError, ValueError) as e:
            raise StartupError(
                f"cannot load semantics.nli_model {self._path}: {str(e).splitlines()[0]}; "
                "download a CrossEncoder trained on NLI and give its directory"
            ) from e
        # The order of the labels differs from model to model.
        names = {int(i): str(name).lower() for i, name in model.config.id2label.items()}
        self._labels = [names[i] for i in sorted(names)]
        if sorted(self._labels) != sorted(_LABELS):
            raise StartupError(
                f"semantics.nli_model {self._path} has the labels {', '.join(self._labels)}; "
                f"a model trained on NLI has {', '.join(_LABELS)}"
            )
        self._model = model

    def same(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        inputs: list[tuple[str, str]] = []
        asked: list[int] = []
        for i, pair in enumerate(pairs):
            a, b = (extract_answer(question, text) for text in pair)
            verdict = without_model(a, b)
            if verdict is None:
                one, other = (_text(question, answer) for answer in (a, b))
                inputs += [(one, other), (other, one)]
                asked.append(i)
            verdicts.append(verdict or Verdict(None, "nli"))
        labels = self._predict(inputs)
        for i, there, back in zip(asked, labels[::2], labels[1::2], strict=True):
            verdicts[i] = Verdict(self._decide(there, back), "nli")
        return verdicts

    def close(self) -> None:
        self._model = None

    def _decide(self, there: str, back: str) -> bool | None:
        both = {there, back}
        if "contradiction" in both:
            return False
        if both == {"entailment"} or (self._is_loose and both != {"neutral"}):
            return True
        return None

    def _predict(self, inputs: Sequence[tuple[str, str]]) -> list[str]:
        if not inputs:
            return []
        self.load()
        scores = self._model.predict(list(inputs), batch_size=_BATCH, show_progress_bar=False)
        return [self._labels[i] for i in scores.argmax(axis=1)]


def _text(question: str, answer: str) -> str:
    text = f"{question[-_MAX_QUESTION:]} {answer[:_MAX_ANSWER]}"
    # Lone surrogates are no text for a tokenizer.
    return text.encode("utf-8", "replace").decode("utf-8")
