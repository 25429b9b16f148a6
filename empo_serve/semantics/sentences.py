"""Sentences of a completion: splitting them, and telling chatter and refusals from answers."""

from __future__ import annotations

import re

_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-ZА-ЯЁ]|v|St|Mr|Mrs|Ms|Dr|Mt|Jr|Sr|vs|No|Prof|Inc|Ltd|Co|approx|ca|cf|e\.g|i\.e|etc"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[ap]\.m))\.$"
)
_END = re.compile(r"[.!?]+[\"'”»)\]]*(?=\s)|[。！？]+|\n+")

# "am 21. Januar", "im 18. Jahrhundert"
_ORDINAL_DOT = re.compile(r"\s+(?:[a-zäöü]|Jan|Feb|März|Apr|Mai|Jun|Jul|Aug|Sep|Okt|Nov|Dez|Jahrh)")

_CHATTER = re.compile(
    r"^(sure|certainly|of course|absolutely|great question|good question|okay|ok|alright|hello|hi"
    r"|thanks?( you)?|you'?re welcome)\b[^.!?]{0,40}[!.,]?$"
    r"|^(i'?d be (happy|glad)|i'?m (happy|glad)|i (would|will) be (happy|glad)|happy to help"
    r"|let me know|i hope|hope (this|that|it)|feel free|please (let|feel|note)"
    r"|if you (have|need|want)"
    r"|is there anything|do you (have|need|want)|this completes|thank you|have a (great|nice|good)"
    r"|note that|let'?s (count|see|think|compute|work|start|solve|break)|let (us"
    r"|me) (count|see|think"
    r"|compute|work|start|solve|break|calculate|set)|here('s| is) (the|my|a|your) (answer|solution)"
    r"|(sorry|apologies|i apologi[sz]e)\b|as an? (ai|language model))",
    re.I,
)

_CANNOT = (
    r"(?:can ?not|can['’]t|could(?: not|n['’]t)|(?:am |['’]m )(?:not able|unable) to|won['’]t"
    r"|will not|d(?:o|id)(?: not|n['’]t)|(?:would |['’]d )(?:rather|prefer) not|(?:['’]ve"
    r"|have) (?:got )?no"
    r"|(?:am |['’]m )(?:not (?:sure|certain|aware)|unsure)|refuse to|(?:must )?decline to)"
)
_REFUSAL = re.compile(
    r"^(?:(?:well|unfortunately|sadly|apologies|(?:i['’]?m |i am )?(?:so |very )?sorry"
    r"|as an? (?:ai|language model|assistant)[^,.]*)[,.!]?\s+(?:but\s+)?)*"
    rf"(?:i ?{_CANNOT}\b|no (?:idea|clue|comment|answer)\b|(?:not sure|not certain|unsure)\b"
    r"|(?:unknown|n/?a|nobody knows)[.!]?$"
    r"|it is (?:not possible|impossible) (?:for me )?to (?:say|tell|answer|know|determine)"
    r"|there is (?:not enough|insufficient|no) information)",
    re.I,
)
_HEDGE = re.compile(
    r"^(i (could|may|might) be (wrong|mistaken)|i'?m (not (completely|entirely|quite|100%|totally)"
    r" (sure|certain)|no expert)|i am (not (completely|entirely|quite) (sure|certain)|no expert)"
    r"|if i (remember|recall)( it| this)?( correctly| right(ly)?)?|i hope i'?m not mistaken"
    r"|(to|as far as) (my|the best of my|i) (knowledge|know)|correct me if i'?m wrong"
    r"|i (think|believe|guess|suppose|would say|'d say)( that)?|i'?d (say|guess)( that)?"
    r"|i (get|got|find|found|obtain)\b|i would (choose|pick|guess)|i (choose|pick)|in my opinion"
    r"|not an? [^,.]{1,40}|if memory serves|as far as i can (tell|see)|in all likelihood"
    r"|no soy [^,.]{1,40}|ich bin kein[^,.]{1,40}|je ne suis pas [^,.]{1,40}|creo que|ich glaube"
    r"|je (crois|pense)( que)?"
    r"|it seems( that)?|probably|maybe|perhaps)[,:]?\s+",
    re.I,
)
_CONTRAST = re.compile(
    r"[,;:]?\s+(?:but|yet|however|though|still|nevertheless|pero|aber|mais|mas|ma)\b,?\s+", re.I
)
_DANGLING = re.compile(
    r"\b(the|an?|of|is|are|was|were|be|by|for|to|in|on|at|and|or|with|from|that|which|so|because|than"
    r"|you|he|she|it|they|we|as|its|their|his|her|my|will|would|can|if|when|then|about|into|per|let"
    r"|therefore|thus|multiply|equals)$|[=+*/×÷,:(\-−]$",
    re.I,
)


def split_sentences(text: str) -> list[str]:
    """Sentences and lines of `text`, stripped, in order."""
    sentences: list[str] = []
    start = 0
    for end in _END.finditer(text):
        piece = text[start : end.end()]
        is_break = "\n" in end[0]
        if not is_break and end[0].startswith(".") and _ABBREVIATION.search(piece.rstrip()):
            continue
        if (
            not is_break
            and re.search(r"\b\d{1,2}\.$", piece)
            and _ORDINAL_DOT.match(text, end.end())
        ):
            continue
        if piece.strip():
            sentences.append(piece.strip())
        start = end.end()
    if text[start:].strip():
        sentences.append(text[start:].strip())
    return sentences


def is_chatter(sentence: str) -> bool:
    """Politeness, offers and announcements carry no answer."""
    return bool(_CHATTER.match(sentence))


def is_refusal(sentence: str) -> bool:
    """Does the sentence decline to answer? What follows a "but" is looked at by `after_hedge`."""
    return bool(_REFUSAL.match(sentence))


def after_hedge(sentence: str) -> str:
    """The part that answers: "I could be wrong, but I get 144" -> "144"."""
    if is_refusal(sentence) or is_chatter(sentence) or _HEDGE.match(sentence):
        contrast = _CONTRAST.search(sentence)
        if contrast and sentence[contrast.end() :].strip():
            return after_hedge(sentence[contrast.end() :].strip())
    hedge = _HEDGE.match(sentence)
    if hedge and not is_refusal(sentence) and sentence[hedge.end() :].strip():
        return after_hedge(sentence[hedge.end() :].strip())
    return sentence


def is_unfinished(text: str) -> bool:
    """Does the text break off in the middle of a sentence?"""
    text = text.rstrip()
    if re.search(r"\b\w(?:,| and| or) \w$", text):
        return False  # letters: "o, e and a"
    return " " in text and bool(_DANGLING.search(text))
