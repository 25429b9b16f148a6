"""Equal short answers in frames of other languages: gender endings, Chinese and Japanese frames."""

from __future__ import annotations

import re

_CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_CJK_NEGATION = re.compile(r"[不没非]|ない|ません|じゃ")
_CJK_FRAME = re.compile(
    r"[「」『』“”《》]|^(?:答案|答え|正解|それ|これ|它|他|她|这|那)?(?:是|は|为)?|(?:です|でした|だ|である|になります)?[。．.!！]*$"
)
_CJK_ALSO = re.compile(r"[，,、](?:也叫|又叫|又称|也称|或称|別名は?|またの名は?).*$|（[^）]*）$")
_CJK_WHO = re.compile(r"谁|誰|哪位|作者")
_CJK_MADE = re.compile(r"(?:所)?(?:[写著画作]|创作|发明|发现|建立)?的?")
_CJK_EVENT = re.compile(r"[了给被把败胜赢向对]")
_CJK_SEVERAL = re.compile(r"[和与及跟、，,]|以及")
_CJK_PREDICATE = re.compile(r"[がは](.{2,12})$")
_CJK_KIND = re.compile(r"(?:[市边方面省色])$")
# Nouns are other words there: "puerto" is no "puerta".
_ADJECTIVE_ASKED = re.compile(
    r"\b(?:de que|de qué|quelle|di che|de)\b.*\b(?:color|couleur|colore|cor)\b"
    r"|\b(?:contrario|contraire|opuesto|oposto|nacionalidad|nationalité)\b",
    re.I,
)
_COLOUR_OF = re.compile(r"^(?:de |di )?(?:la |el |il |le )?(?:color|couleur|colore|cor) ")
_GENDER = re.compile(r"(?:[oae]s?|os|as)$")


def same_phrase(question: str, a: str, b: str) -> bool:
    """Do both say the same word, in another gender or in a frame that repeats the question?"""
    if _CJK.search(a) and _CJK.search(b):
        return _same_cjk(question, a, b)
    return bool(_ADJECTIVE_ASKED.search(question)) and _same_but_gender(a, b)


def _same_cjk(question: str, a: str, b: str) -> bool:
    if _CJK_NEGATION.search(a + b):
        return False
    one, other = sorted((_cjk_core(question, a), _cjk_core(question, b)), key=lambda t: (len(t), t))
    if not one:
        return False
    # What stands before the head describes it: 標高3776メートルの富士山.
    if one == other or (len(one) > 1 and other.endswith(("の" + one, "的" + one))):
        return True
    # A person's name among titles: 清代作家曹雪芹写的.
    is_person = len(one) > 1 and bool(_CJK_WHO.search(question))
    before, _, after = other.partition(one)
    is_framed = not _CJK_EVENT.search(before) and bool(_CJK_MADE.fullmatch(after))
    return is_person and one in other and is_framed and not _CJK_SEVERAL.search(other)


def _cjk_core(question: str, text: str) -> str:
    text = _CJK_FRAME.sub("", _CJK_ALSO.sub("", text.strip()))
    shared = 0
    while shared < len(text) and text[: shared + 1] in question:
        shared += 1
    if shared > 1:
        text = text[shared:]
    text = re.sub(r"^[从在由是は]|升起$", "", text)
    if (told := _CJK_PREDICATE.search(text)) and told[1] in question:
        text = text[: told.start()]  # 富士山が一番高い
    while len(text) > 1 and text[-1] in question and text[-2:] in question:
        text = text[:-2]
    return _CJK_KIND.sub("", text) if len(text) > 1 else text


def _same_but_gender(a: str, b: str) -> bool:
    one, other = (_COLOUR_OF.sub("", text.casefold()).split() for text in (a, b))
    return (
        len(one) == len(other) == 1
        and min(len(one[0]), len(other[0])) > 3
        and _GENDER.sub("", one[0]) == _GENDER.sub("", other[0])
    )
