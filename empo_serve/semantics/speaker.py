"""What a completion says of its speaker instead of the question: chatter, hedges and refusals.

The mark of such a clause is its form: the first person, an apology, a word to the reader. What
stands behind a "but", a colon or "I think that" may answer all the same.
"""

from __future__ import annotations

import re
from functools import lru_cache

_OPENING = re.compile(
    r"^(?!(?-i:O[HK],? (?:and )?[A-Z]{2}\b))"
    r"(?:sure(?: thing)?|certainly|of course|absolutely|definitely|okay|ok|alright|well|h+m+|ah|oh"
    r"|(?:great|good) question|no problem|bien s[uû]r|bien entendu|naturellement|volontiers"
    r"|claro(?: que s[ií])?|por supuesto|desde luego|natürlich|gerne?|klar|selbstverständlich"
    r"|cert(?:o|amente)|naturalmente|com certeza|natuurlijk|zeker|конечно|разумеется|もちろん|当然)"
    r"(?:\s*[,!:.、，！]+\s*|\s+)(?=\S)",
    re.I,
)
# Adverbs that need no comma: "Probably 1945", "Vermutlich der Rhein".
_ADVERB = re.compile(
    r"^(?:probably|most likely|likely|maybe|perhaps|presumably|possibly|vermutlich|wahrscheinlich"
    r"|natürlich|vielleicht|probablement|peut-être|sans doute|probablemente|quizás?|tal vez"
    r"|probabilmente|forse|provavelmente|talvez|waarschijnlijk|misschien|наверное|вероятно"
    r"|возможно|たぶん|おそらく|大概|可能是?)[,、，]?\s*(?=\S)",
    re.I,
)
_CHATTER = re.compile(
    r"^¡?(sure|certainly|of course|absolutely|great question|good question|okay|ok|alright|hello|hi"
    r"|thanks?( you)?|you'?re welcome|bien sûr|claro|natürlich|gerne?|certo|конечно)\b"
    r"[^.!?]{0,40}[!.,]?$"
    r"|^(i'?d be (happy|glad)|i'?m (happy|glad)|i (would|will) be (happy|glad)|happy to help"
    r"|let me know|i hope|hope (this|that|it)|feel free|please\b|i wish|i love\b"
    r"|if you (have|need|want)"
    r"|is there anything|do you (have|need|want)|this completes|thank you|have a (great|nice|good)"
    r"|note that|let'?s (count|see|think|compute|work|start|solve|break)|let (us"
    r"|me) (count|see|think"
    r"|compute|work|start|solve|break|calculate|set|correct|answer)"
    r"|here('s| is) (the|my|a|your) (answer|solution)"
    r"|(?:forgive|pardon|excuse) (?:me|my)\b"
    r"|(sorry|apologies|i apologi[sz]e|perd[oó]n|disculpa|lo siento|désolée?|pardon"
    r"|entschuldigung|tut mir leid|scusa|mi dispiace|desculpe|извините|простите|すみません|抱歉)"
    r"|as an? (ai|language model)\b)",
    re.I,
)
_CANNOT = (
    r"(?:can ?not|can['’]t|could(?: not|n['’]t)|(?:am |['’]m )(?:not (?:able|allowed|permitted)"
    r"|unable|afraid)|won['’]t|will not|d(?:o|id)(?: not|n['’]t)|have(?: not|n['’]t)"
    r"|(?:would |['’]d )(?:rather|prefer) not|(?:['’]ve|have) (?:got )?no|(?:would |['’]d )?need"
    r"|lack|(?:am |['’]m )(?:not (?:sure|certain|aware)|unsure)|refuse to|(?:must )?decline to)"
)
_REFUSAL = re.compile(
    r"^(?:(?:well|unfortunately|sadly|apologies|(?:i['’]?m |i am )?(?:so |very |really )?"
    r"(?:sorry|afraid)|as an? (?:ai|language model|assistant)[^,.]*"
    r"|for [^,.]{1,30} reasons)[,.!]?\s+(?:but\s+)?)*"
    rf"(?:no,? i ?(?:can ?not|can['’]t|won['’]t) (?:answer|help|assist|say|tell|comment|discuss)\b"
    rf"|i ?{_CANNOT}\b|no (?:idea|clue|comment|answer)\b|(?:not sure|not certain|unsure)\b"
    r"|(?:can['’]t|cannot) (?:say|tell|help)\b|(?:beats me|who knows|pass|error|none given)[.!]?$"
    r"|\W*(?:unknown|n/a|(?-i:NA|na)|nobody knows|not (?:known|available|applicable|clear|provided)"
    r"|no (?:answer|data|response))\W*$"
    r"|(?:it|that|this)(?: is|['’]s) (?:not (?:possible|clear|known)|impossible|unclear|unknown"
    r"|beyond my|outside (?:of )?my)"
    r"|your guess is as good|none of my|my (?:knowledge|training|data)\b"
    r"|(?:there is |there['’]s |i have )?(?:not enough|insufficient|no) (?:information|context|data"
    r"|knowledge))"
    # The same in other languages.
    r"|^(?:(?:lo siento|perdón|désolée?|tut mir leid|mi dispiace|desculpe|sorry|извините"
    r"|к сожалению|leider|malheureusement|purtroppo|infelizmente|lamentablemente)[,.!]?\s*"
    r"(?:pero |mais |aber |ma |mas |но )?)*"
    r"(?:no (?:lo )?s[eé]\b|no (?:lo )?(?:puedo|tengo|conozco|recuerdo)\b|no estoy segur[oa]"
    r"|ni idea|lo desconozco"
    r"|(?:je |j['’])(?:ne |n['’])(?:(?:le |la |en |vous )?(?:sais|peux|connais|suis)|ai)\b"
    r"|(?:je |j['’])l?['’]?ignore|aucune idée"
    r"|(?:(?:das |es )?wei(?:ß|ss) ich (?:leider |es )*nicht|ich wei(?:ß|ss) (?:es |das |leider )*"
    r"nicht|keine (?:ahnung|angabe|antwort)|(?:das |dazu |ich )kann (?:ich )?[^.,]*"
    r"(?:nicht|nichts|keine)|ich bin (?:mir )?nicht sicher)"
    r"|non (?:lo )?so\b|non (?:posso|ricordo|sono sicur[oa])|nessuna idea"
    r"|não (?:o )?sei\b|não (?:posso|tenho|consigo)|não faço ideia"
    r"|ik weet (?:het )?niet|geen idee"
    r"|(?:я )?(?:не знаю|не могу|не уверен|затрудняюсь)|понятия не имею"
    r"|我?(?:不知道|不清楚|无法|不能回答)|(?:抱歉|对不起)[，,]?我(?:不|无)"
    r"|(?:[^。]*)(?:わかりません|分かりません|知りません|存じません|お答えできません))",
    re.I,
)
_THINKING = re.compile(
    r"^(i (could|may|might) be (wrong|mistaken|off)|i'?m (not (completely|entirely|quite|100%"
    r"|totally|absolutely) (sure|certain)|no expert)"
    r"|i am (not (completely|entirely|quite|absolutely) (sure|certain)|no expert)"
    r"|not (?:completely|entirely|quite|100 ?%|totally|absolutely) (?:sure|certain)"
    r"|(?:i am |i['’]m )?(?:fairly|pretty|quite|rather|almost|reasonably)"
    r" (?:sure|certain|confident)(?: that)?"
    r"|if i (remember|recall)( it| this)?( correctly| right(ly)?)?"
    r"|if i['’]?a?m not (?:wrong|mistaken)|i hope i'?m not mistaken"
    r"|(to|as far as) (my|the best of my|i) (knowledge|know)|correct me if i'?m wrong"
    r"|i (?:also |do |would |['’]d )*(think|believe|guess|suppose|know|reckon|assume|recall"
    r"|remember|say|imagine|bet)( that)?|i['’]d (say|guess|bet|think)( that)?"
    r"|i(?: would|['’]d|['’]ll| will|['’]m going to)? (?:go|stick) (?:with|for)"
    r"|i can (?:say|tell you)(?: that)?|(?:without [^,.]{1,40} )?i (?:assume|take it) you mean"
    r"|my (?:best |first |final )?(?:guess|answer|bet|pick) (?:is|would be|was)(?: that)?"
    r"|i (get|got|find|found|obtain)\b|i would (choose|pick|guess)|i (choose|pick)|in my opinion"
    r"|not an? [^,.]{1,40}(?=,)|if memory serves(?: me)?(?: right| well| correctly)?"
    r"|as far as i (can (tell|see)|know|remember|recall)|in all likelihood|(?:there is )?no doubt"
    r"|no soy [^,.]{1,40}|ich bin kein[^,.]{1,40}|je ne suis pas [^,.]{1,40}"
    r"|(?:yo )?(?:creo|diría|pienso|supongo) que|ich (?:glaube|denke|meine)(?:, dass)?"
    r"|ich würde sagen|je (crois|pense|dirais)( que)?|(?:penso|credo|direi)(?: che)?"
    r"|(?:eu )?(?:acho|creio|penso)(?: que)?|ik denk(?: dat)?|(?:я )?(?:думаю|полагаю)(?:, что)?"
    r"|it seems( that)?)[,:]?\s+",
    re.I,
)
# "Many people think it is Sydney, but it is Canberra", "it's not Sydney, it's Canberra"
_MISTAKEN = re.compile(
    r"^(?:(?:\w+ ){0,2}(?:people|some|others|many|one|you)\b[^,;]*"
    r"\b(?:think|thinks|thought|believes?|assumes?|says?|guess|expect)\b[^,;]*"
    r"[,;] but\s+(?:actually |in fact )?"
    r"|(?:i(?:['’]m| am) (?:sure|certain)(?: that)? )?(?:it|that)(?: is|['’]s)(?: not|n['’]t)"
    r" [^,;]+[,;] (?:but )?)(?=(?:it|that)(?: is|['’]s)\b)",
    re.I,
)
# "It depends on the size, but about ten minutes"
_DOUBT = re.compile(r",? (?:al)?though not (?:\w+ )?(?:certain|sure|positive),?(?= )", re.I)
_DEPENDS = re.compile(r"^(?:it|that|this) (?:depends|varies)\b[^.]*?[,;] but\s+", re.I)
_CONTRAST = re.compile(
    r"[,;:]?\s+(?:but|yet|however|though|still|nevertheless|pero|aber|mais|mas|ma|maar|но)\b,?\s+"
    r"|[,，、]\s*(?:但是?|ですが|でも)",
    re.I,
)
_CONCESSION = re.compile(
    r"^(?:although|though|even though|while|whilst|even if|as|since|if|obwohl|aunque|bien que)\b"
    r"(?P<clause>[^,]*),\s+(?=\S)",
    re.I,
)
_FIRST_PERSON = re.compile(
    r"\bI\b(?=['’\s])(?! (?:and|or)\b)|\b(?i:me|my|mine|myself|ich|mir|mich|je)\b|\b[Jj]['’]"
)
_TO_COLON = re.compile(r"^(?P<before>[^:.]{2,60}):\s+(?=\S)")
_ANNOUNCED = re.compile(r"\b(?:doubt|answer|guess|here (?:it )?is|respuesta|réponse)\b", re.I)
_ASIDE = (
    r"(?:I(?:['’](?:m|d|ve)|\s(?:think|believe|guess|suppose|know|reckon|recall|remember|assume"
    r"|imagine|say|mean|hope|fear|bet|must|would|should|could|might|may|can|cannot|do|am|was|have"
    r"|had|hear|heard|read|learned|checked|double-checked|understand|take))"
    r"|(?:if|unless) (?:I|my|memory)|as far as I"
    r"|to (?:the best of )?my|in my|at least|but I|but don['’]t|don['’]t quote|no doubt"
    r"|without (?:a |any )?doubt|of course|obviously|naturally|as you know|actually|by the way"
    r"|sorry|probably|creo|si no|je crois"
    r"|sauf erreur|glaube ich|wenn ich|soweit ich|credo|acho|se não|por supuesto|claro|bien sûr"
    r"|natürlich|certo|por cierto|кажется|по-моему|конечно)"
)
_TRAILING = re.compile(rf"(?:\s*[,;(–—]|\s-)\s*{_ASIDE}\b[^,;()]*\)?(?=[.!?]?$)")
_ASIDE_MARK = re.compile(r"[,;(–—]|\s-")
_INSERTED = re.compile(rf",\s+{_ASIDE}\b[^,;()]{{0,30}},\s+")


def is_chatter(sentence: str) -> bool:
    """Politeness, offers and announcements carry no answer."""
    return bool(_CHATTER.match(sentence))


def is_refusal(sentence: str) -> bool:
    """Does the sentence decline to answer? What follows a "but" is looked at by `after_hedge`."""
    return bool(_REFUSAL.match(sentence))


def is_about_speaker(sentence: str) -> bool:
    """Does the sentence speak of its speaker ("I wish I could paint like that!")?"""
    first = _FIRST_PERSON.search(sentence)
    return first is not None and first.start() == 0


@lru_cache(maxsize=4096)
def after_hedge(sentence: str) -> str:
    """The part that answers: "I could be wrong, but I get 144" -> "144".

    The sentence itself where no part of it is about the speaker.
    """
    previous = None
    while previous != sentence:
        previous = sentence
        sentence = _step(sentence)
    return sentence


def _step(sentence: str) -> str:
    sentence = _DOUBT.sub("", sentence)
    is_personal = is_refusal(sentence) or is_chatter(sentence) or bool(_THINKING.match(sentence))
    if aside := _MISTAKEN.match(sentence) or _DEPENDS.match(sentence):
        return sentence[aside.end() :].strip()
    contrast = _CONTRAST.search(sentence)
    if contrast and sentence[contrast.end() :].strip():
        before = sentence[: contrast.start()]
        if is_personal or _FIRST_PERSON.search(before):
            return sentence[contrast.end() :].strip()
    colon = _TO_COLON.match(sentence)
    if colon and (
        is_personal or _FIRST_PERSON.search(colon["before"]) or _ANNOUNCED.search(colon["before"])
    ):
        return sentence[colon.end() :].strip()
    if is_refusal(sentence):
        return sentence
    for pattern in (_THINKING, _OPENING, _ADVERB):
        found = pattern.match(sentence)
        if found and sentence[found.end() :].strip(" .!"):
            return sentence[found.end() :].strip()
    concession = _CONCESSION.match(sentence)
    if concession and _FIRST_PERSON.search(concession["clause"]):
        return sentence[concession.end() :].strip()
    if not _ASIDE_MARK.search(sentence):
        return sentence
    shorter = _INSERTED.sub(" ", _TRAILING.sub("", sentence))
    return shorter if shorter.strip(" .!") else sentence
