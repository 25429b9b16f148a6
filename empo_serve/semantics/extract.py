"""Completion -> final answer.

Only the final answer is compared, never the reasoning (EMPO, arXiv 2504.05812, section 3). Tried in
order: the last complete \\boxed{}, an <answer> element, JSON with an `answer`, a marker such as
"####" or "Answer:", then the sentence that answers the question, without its echo of the question.
Not covered: answers that are spread over several sentences.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

from empo_serve.semantics.multiple_choice import chosen_label, chosen_labels
from empo_serve.semantics.normalize import without_gaps
from empo_serve.semantics.prose import answer_in_prose
from empo_serve.semantics.questions import is_yes_no, options, wants_several_options
from empo_serve.semantics.sentences import split_sentences
from empo_serve.semantics.speaker import after_hedge, is_refusal
from empo_serve.semantics.yes_no import polarity

_MAX_COMPLETION = 100_000  # characters; the answer of a longer one is looked for at its end
_MAX_CACHED = 1000  # characters of question and completion
_THINK = re.compile(r"</?think(?:ing)?>", re.I)
_NEXT_QUESTION = re.compile(
    r"\n\s*(?:\**(?:Q|Question|User|Human|Problem|Exercise|Frage|Pregunta)(?: ?\d+)?\**\s*[:.)]"
    r"|###+ *(?:Question|Problem|User|Human)\b|<\|?(?:im_start|user|endoftext))",
    re.I,
)
_LEADING_QUESTION = re.compile(r"^\s*(?:Q|Question)\s*:[^\n]*\n", re.I)
_BOX = re.compile(r"\\(boxed|fbox|framebox)\s*\{")
_ANSWER_ELEMENT = re.compile(r"<answer>(.*?)</answer>", re.S | re.I)
_FENCE = re.compile(r"```[^\n`]*\n(.*?)\n?\s*```", re.S)
_JSON_KEY = re.compile(r'"(?:final_?)?answer"\s*:', re.I)
_WORD_FOR_ANSWER = (
    r"(?:answer|solution|result|antwort|lösung|ergebnis|réponse|reponse|respuesta|resposta|risposta"
    r"|svar|antwoord|odpowiedź|ответ|cevap)"
)
_QUALITY = r"(?:(?:final|correct|right|best) )?"
_MARKER = re.compile(
    r"####[ \t]*"
    rf"|(?:^|(?<=[\s*#.!?(]))(?:(?:the|my|la|die|el) )?{_QUALITY}{_QUALITY}{_WORD_FOR_ANSWER}"
    r"(?:[ \t]*\**[ \t]*[:：]\**|\**[ \t]+(?:is|would be|must be|ist|lautet|est|es|è|é|is)\b:?)"
    r"[ \t]*\**[ \t]*"
    r"|(?:^|(?<=\n)|(?<=[.!?]\s))[ \t]*\**A(?:nswer)?\**[ \t]*:\**[ \t]*"
    rf"|(?:^|(?<=\n))#+[ \t]*(?:final )?{_WORD_FOR_ANSWER}[ \t]*:?[ \t]*(?=\n)"
    r"|(?:答案(?:是|为)?|答え(?:は)?|回答)[ \t]*[:：]?[ \t]*",
    re.I,
)
_OFFERED_WORD = re.compile(
    r"\b(?:answer|say|write|reply|respond)(?: with)? [\"“'‘]("
    r"unknown|n/?a|none|(?:it )?cannot be determined|not enough information|not given)[\"”'’]",
    re.I,
)
_MARKER_CONTINUES = re.compile(
    r"[,;]\s+(?:because|since|as|which|where|so|for|but|although|though|with|not)\b"
    r"|\s+(?:because|since)\s",
    re.I,
)


def extract_answer(question: str, completion: str) -> str:
    """The final answer in `completion`, or "" when there is none (refusal, cut off, empty)."""
    # The samples of a group repeat each other, and each stage of a comparison reads them again.
    is_short = len(completion) + len(question) <= _MAX_CACHED
    return _extract_cached(question, completion) if is_short else _extract(question, completion)


def _extract(question: str, completion: str) -> str:
    text = without_gaps(completion[-_MAX_COMPLETION:].replace("\x00", ""))
    text = _without_thinking(text).strip()
    if not text:
        return ""
    if (word := _asked_word(question)) and word.casefold() in text.casefold():
        return word
    text = _LEADING_QUESTION.sub("", text)
    if cut := _NEXT_QUESTION.search(text):
        text = text[: cut.start()].strip() or text
    boxed = _boxed(text)
    if boxed is not None:
        return _finish(question, boxed)
    if element := _ANSWER_ELEMENT.findall(text):
        return _finish(question, element[-1])
    from_json = _json_answer(text)
    if from_json is not None:
        return _finish(question, from_json)
    if fence := _FENCE.fullmatch(text):
        return _finish(question, fence[1])
    marked = _marked(text)
    if marked is not None:
        sentences = split_sentences(marked)
        if sentences and is_refusal(sentences[0]) and after_hedge(sentences[0]) == sentences[0]:
            return ""
        return _finish(question, after_hedge(marked))
    return _finish(question, answer_in_prose(question, text))


def _asked_word(question: str) -> str:
    """What the question wants to hear where there is no answer: 'Answer "unknown" if ...'."""
    offered = _OFFERED_WORD.search(question[-1000:])
    return offered[1] if offered else ""


_extract_cached = lru_cache(maxsize=4096)(_extract)


def clean(answer: str) -> str:
    """Without Markdown marks, quotes, dollar signs, code fences and a final full stop."""
    text = answer.strip()
    if fence := _FENCE.fullmatch(text):
        text = fence[1].strip()
    previous = None
    while previous != text:
        previous = text
        text = _LINE_MARK.sub("", text).strip()
        text = _FULL_STOP.sub("", text).strip()
        for left, right in _PAIRS:
            if not (text.startswith(left) and text.endswith(right)):
                continue
            inner = text[len(left) : -len(right)]
            if inner and left not in inner and right not in inner:
                text = inner.strip()
    if bare := _BARE_TEXT.fullmatch(text):
        text = bare[1].strip()
    return text


_PAIRS = (
    ("**", "**"), ("__", "__"), ("*", "*"), ("`", "`"), ("$$", "$$"), ("$", "$"), ("\\[", "\\]"),
    ("\\(", "\\)"), ('"', '"'), ("'", "'"), ("“", "”"), ("„", "“"), ("‘", "’"), ("«", "»"),
    ("「", "」"),
)  # fmt: skip
_LINE_MARK = re.compile(r"^(?:[-*•]\s+|#+\s+|>\s+)")
_FULL_STOP = re.compile(r"(?<![.\\])(?<!\.[A-Z])[.。]$")
_BARE_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textit|mbox)\s*\{([^{}]*)\}")
_LIST_LINE = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")


def _finish(question: str, answer: str) -> str:
    lines = [clean(_LIST_LINE.sub("", line)) for line in answer.strip().splitlines()]
    lines = [line for line in lines if line]
    is_block = answer.lstrip().startswith(("\\begin", "```", "{", "["))
    text = clean(answer) if is_block or len(lines) < 2 else ", ".join(lines)
    if not any(c.isalnum() or c in "∞∅" for c in text):
        return ""
    if text.count("$") == 1 and not re.search(r"\$ ?\d", text):
        text = text.replace("$", "")  # half of a pair
    if found := options(question):
        if wants_several_options(question) and (letters := chosen_labels(text, found)):
            return ", ".join(letters)
        letter = chosen_label(text, found)
        if letter:
            return letter
    if is_yes_no(question) or text.lower() in ("yes", "no"):
        says = polarity(question, text)
        if says is not None:
            return "Yes" if says else "No"
    return text


def _without_thinking(text: str) -> str:
    """An unclosed thought runs to the end; what an unopened one closes began in the prompt."""
    kept: list[str] = []
    start, is_thinking = 0, False
    for tag in _THINK.finditer(text):
        is_closing = tag[0][1] == "/"
        if not is_closing and not is_thinking:
            kept.append(text[start : tag.start()])
        elif is_closing and not is_thinking:
            kept.clear()
        is_thinking, start = not is_closing, tag.end()
    return "".join(kept) if is_thinking else "".join(kept) + text[start:]


def _boxed(text: str) -> str | None:
    """Content of the last complete \\boxed{}; "" when one is opened but none is closed."""
    last: dict[str, str] = {}
    opened = False
    position = 0
    while mark := _BOX.search(text, position):
        opened = opened or mark[1] == "boxed"
        depth, i = 1, mark.end()
        while i < len(text) and depth:
            if text[i] == "\\":
                i += 1
            elif text[i] in "{}":
                depth += 1 if text[i] == "{" else -1
            i += 1
        if depth:
            # A later box cannot close either: its own braces are inside of this one.
            position = mark.end()
            if len(text) - position > 20_000:
                break
            continue
        content = text[mark.end() : i - 1]
        nested = _boxed(content) if len(content) < 5000 and _BOX.search(content) else None
        last[mark[1]] = nested or content
        position = i
    if "boxed" in last:
        return last["boxed"]
    if opened:
        return ""
    return next(reversed(last.values()), None)


def _json_answer(text: str) -> str | None:
    """Value of `answer` in a JSON object; "" when that object is broken; None without one."""
    key = _JSON_KEY.search(text)
    if not key:
        return None
    decoder = json.JSONDecoder()
    start = text.rfind("{", 0, key.start())
    while start >= 0 and key.start() - start < 10_000:
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.rfind("{", 0, start)
            continue
        for name in ("answer", "final_answer", "finalAnswer", "Answer"):
            if name in value:
                return _json_text(value[name])
        break
    rest = text[key.end() :].lstrip()
    try:
        value, _ = decoder.raw_decode(rest)
    except (ValueError, RecursionError):
        return ""
    return _json_text(value)


def _json_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(_json_text(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _marked(text: str) -> str | None:
    """What stands behind the last answer marker, on its line or the lines below it."""
    marks = list(_MARKER.finditer(text))
    for mark in reversed(marks):
        rest = text[mark.end() :]
        line, _, below = rest.partition("\n")
        line = re.sub(r"^[*_:]+\s*|\s*\*+$", "", line).strip()
        if not line:
            block = re.split(r"\n\s*\n", below.strip("\n"), maxsplit=1)[0]
            if block.strip():
                return block
            continue
        if line in ("$$", "\\[", "```"):
            return rest
        sentence = split_sentences(line)[0]
        if sentence.count("**") % 2:
            sentence = re.sub(r"\*\*(?=[.!]?$)", "", sentence)
        if cut := _MARKER_CONTINUES.search(sentence):
            sentence = sentence[: cut.start()]
        return sentence
    return "" if marks else None
