"""Advice, permission and verdicts that say yes or no: "so go ahead", "the claim fails"."""

from __future__ import annotations

import re

_ADVICE_ASKED = re.compile(r"\s*(?:should|may|must|can|could|is it (?:ok|okay|wise|safe))\b", re.I)
_AVOID = re.compile(r"\b(?:should|must|is best|is better|has to be) (?:be )?avoided\b", re.I)
_ADVICE = re.compile(
    r"(?:(?:it|that|this)(?: is|['’]s| would be) )?(?P<not>not |n['’]t )?(?:really |generally )?"
    r"(?:recommended|advisable|advised|allowed|permitted|a good idea|wise)\W*",
    re.I,
)
# "..., so it does not qualify", "..., so the claim fails", "..., so it is one"
_VERDICT = re.compile(
    r"(?:^|\b(?:so|therefore|thus|hence|and),? (?:\w+ly,? )?)(?:it|they|that|this|he|she"
    r"|the (?:claim|statement)) (?:(?P<no>(?:do(?:es)?(?: not|n['’]t) (?:qualify|count|hold|apply)"
    r"|fails?|(?:is|are)(?: not|n['’]t) one))|(?:(?:do(?:es)? )?(?:indeed )?"
    r"(?:qualif(?:y|ies)|counts?|holds?|appl(?:y|ies))"
    r"|(?:is|are) (?:indeed |also )?one))\W*$",
    re.I,
)
_MAY_ASKED = re.compile(
    r"(?:.*[.!?]\s+|\s*)(?:can|could|may|might|am|is|are|does|do)\b", re.I | re.S
)
# "You are allowed in", "..., so go ahead", "..., so keep away from it"
_MAY = re.compile(
    r"\b(?:is|are|am|['’]re) (?P<no>not |n['’]t )?(?:allowed|permitted|welcome|exempt)\b"
    r"|\bso (?:please )?(?:go ahead|feel free|by all means)\b"
    r"|^(?:the |an? |it|this|that|they)[^,.]{0,60}\b(?P<barred>(?:rules?|ruled) (?:that|this|it)"
    r" out|(?:forbids?|prohibits?|bans?|bars?|excludes?|prevents?) (?:that|this|it|them)\b)"
    r"|^(?P<away>keep (?:it|them|this|that) (?:well |far )?away\b|avoid (?:it|that|this|them)\b)"
    r"|\bso (?:please )?(?P<never>keep (?:it|them) away|stay away|avoid|better not|leave it"
    r"|don['’]t)\b",
    re.I,
)


def verdict(question: str, text: str) -> bool | None:
    """True for yes, False for no, None where `text` gives no verdict. A question that asks whether
    something is false turns it around, which is not looked at here."""
    if _ADVICE_ASKED.match(question):
        if _AVOID.search(text):
            return False
        if advice := _ADVICE.fullmatch(text):
            return not advice["not"]
    if said := _VERDICT.search(text):
        return not said["no"]
    if _MAY_ASKED.match(question) and (may := _MAY.search(text)):
        return not (may["no"] or may["never"] or may["barred"] or may["away"])
    return None
