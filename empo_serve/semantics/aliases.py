"""Other names of the same place, element, month or day: a closed table of general knowledge.

Names of well-known countries, cities and rivers in English and in their own or a neighbour's
language, symbols of the chemical elements, months and days of the week. One line is one thing.
Not covered: people, works, companies.
"""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.normalize import without_accents
from empo_serve.semantics.questions import words
from empo_serve.semantics.spellings import plain_spelling
from empo_serve.semantics.synonyms import are_synonyms

_PLACES = """
germany|deutschland|allemagne|alemania|germania|alemanha|duitsland
austria|osterreich|autriche|oostenrijk
switzerland|schweiz|suisse|svizzera|suiza
france|frankreich|francia|franca|frankrijk
spain|spanien|espana|espagne|spagna|espanha|spanje
italy|italien|italia|italie
portugal|portogallo
netherlands|holland|nederland|niederlande|pays-bas|paises bajos|paesi bassi
belgium|belgien|belgique|belgie|belgica|belgio
luxembourg|luxemburg
united kingdom|uk|great britain|britain|grossbritannien|royaume-uni|reino unido|regno unito
england|angleterre|inglaterra|inghilterra
scotland|schottland|ecosse|escocia|scozia
ireland|irland|irlande|irlanda|eire
united states|united states of america|usa|us|america|vereinigte staaten|etats-unis|estados unidos
russia|russian federation|russland|russie|rusia|rossija|россия
poland|polen|pologne|polonia|polska
czech republic|czechia|tschechien|cesko|republique tcheque
hungary|ungarn|hongrie|hungria|ungheria|magyarorszag
greece|griechenland|grece|grecia|hellas
turkey|turkiye|turkei|turquie|turquia|turchia
sweden|schweden|suede|suecia|svezia|sverige
norway|norwegen|norvege|noruega|norvegia|norge
denmark|danemark|dinamarca|danimarca|danmark
finland|finnland|finlande|finlandia|suomi
iceland|islande|islandia|islanda
croatia|kroatien|croatie|croacia|croazia|hrvatska
egypt|agypten|egypte|egipto|egitto
morocco|marokko|maroc|marruecos|marocco
japan|japon|giappone|japao|nippon|日本
china|people's republic of china|chine|cina|中国
india|indien|inde|bharat
south korea|republic of korea|sudkorea|coree du sud|corea del sur
north korea|democratic people's republic of korea|nordkorea|coree du nord|corea del norte
brazil|brasilien|bresil|brasil|brasile
mexico|mexiko|mexique|messico
myanmar|burma
sri lanka|ceylon
thailand|siam
iran|persia
eswatini|swaziland
ivory coast|cote d'ivoire
cape verde|cabo verde
east timor|timor-leste
prague|praha|prag|praga
vienna|wien|viena|wenen
munich|munchen|monaco di baviera
cologne|koln|colonia
nuremberg|nurnberg|norimberga
hanover|hannover
berlin|berlino
geneva|geneve|genf|ginebra|ginevra
zurich|zurigo
bern|berne|berna
basel|basle|bale|basilea
rome|roma|rom
florence|firenze|florenz|florencia
venice|venezia|venedig|venise|venecia
milan|milano|mailand
naples|napoli|neapel|napoles
turin|torino
genoa|genova|genua|genes
lisbon|lisboa|lissabon|lisbonne|lisbona
seville|sevilla|siviglia
brussels|brussel|bruxelles|bruselas
antwerp|antwerpen|anvers|amberes
ghent|gent|gand
bruges|brugge
the hague|hague|den haag|la haye|la haya
copenhagen|kobenhavn|kopenhagen|copenhague
gothenburg|goteborg
warsaw|warszawa|warschau|varsovie|varsovia
cracow|krakow|krakau|cracovie|cracovia
gdansk|danzig
wroclaw|breslau
bucharest|bucuresti|bukarest|bucarest
belgrade|beograd|belgrad|belgrado
athens|athina|athen|athenes|atenas|atene
moscow|moskva|moskau|moscou|moscu|mosca|москва
saint petersburg|st petersburg|st. petersburg|petersburg|leningrad|sankt petersburg
kyiv|kiev|kiew
lviv|lvov|lemberg
istanbul|constantinople|konstantinopel
jerusalem|yerushalayim
cairo|kairo|le caire|el cairo|al-qahira
beijing|peking|pekin|北京|北京市
shanghai|上海|上海市
guangzhou|canton
tokyo|tokio|東京|东京
kyoto|京都
seoul|서울
hanoi|ha noi
ho chi minh city|saigon|hcmc|thanh pho ho chi minh
mumbai|bombay
kolkata|calcutta
chennai|madras
bengaluru|bangalore
yangon|rangoon
dhaka|dacca
tehran|teheran
mexico city|ciudad de mexico
havana|la habana|havanna
new york|new york city|nyc|ny
los angeles|l.a.
washington|washington dc|washington d.c.|washington d c
rio de janeiro|rio
danube|donau|danubio|duna|dunav|dunaj
rhine|rhein|rhin|reno|rijn
moselle|mosel
meuse|maas
thames|themse|tamise|tamesis
seine|sena|senna
tiber|tevere
vistula|wisla|weichsel
elbe|labe
vltava|moldau
nile|nil|nilo
everest|mount everest|mt everest|mt. everest|chomolungma|qomolangma|sagarmatha
matterhorn|cervino|mont cervin
mount fuji|fuji|fujiyama|mt fuji|mt. fuji|富士山
denali|mount mckinley
uluru|ayers rock
pacific|pacific ocean|pazifik|pacifique|pacifico|oceano pacifico|ocean pacifique
atlantic|atlantic ocean|atlantik|atlantique|atlantico|oceano atlantico
mediterranean|mediterranean sea|mittelmeer|mediterranee|mediterraneo|mar mediterraneo
north sea|nordsee
baltic|baltic sea|ostsee
lake constance|bodensee
lake geneva|genfer see|lac leman
european union|eu|europaische union|union europeenne|union europea
united nations|un|u.n.|uno|onu|united nations organization
pound sterling|pound|british pound|sterling|gbp|pounds sterling
us dollar|united states dollar|usd|american dollar|u.s. dollar
euro|eur
japanese yen|yen|jpy
swiss franc|chf
indian rupee|inr
renminbi|yuan|rmb|cny|chinese yuan
south korean won|won|krw
english|englisch|anglais|ingles|inglese
german|deutsch|allemand|aleman|tedesco|alemao
french|franzosisch|francais|frances|francese
spanish|spanisch|espagnol|espanol|castilian|castellano|spagnolo|espanhol
portuguese|portugiesisch|portugais|portugues|portoghese
italian|italienisch|italien|italiano
dutch|niederlandisch|neerlandais|nederlands
texas|tx
california|ca
florida|fl
hawaii|hi
alaska|ak
china|中国|kitay|китай
germany|德国|ドイツ|германия
france|法国|フランス|франция
united kingdom|英国|イギリス|великобритания
united states|美国|アメリカ|сша
russia|俄罗斯|ロシア
italy|意大利|イタリア|италия
spain|西班牙|スペイン|испания
japan|япония
india|印度|インド|индия
paris|巴黎|パリ|париж
london|londres|londra|伦敦|ロンドン|лондон
berlin|柏林|ベルリン|берлин
rome|罗马|ローマ|рим
madrid|马德里|マドリード|мадрид
pig|swine
water|h2o
carbon dioxide|co2
nitrogen|n2
oxygen|o2
hydrogen|h2
ozone|o3
ammonia|nh3
methane|ch4
sodium chloride|nacl
sulphuric acid|sulfuric acid|h2so4
javascript|js
mercury|quicksilver
table salt|common salt|salt
acetaminophen|paracetamol
north|n
south|s
east|e
west|w
"""

_DAYS = """
monday|mon|montag|lundi|lunes|lunedi|segunda-feira|maandag|月曜日|星期一
tuesday|tue|tues|dienstag|mardi|martes|martedi|terca-feira|dinsdag|火曜日|星期二
wednesday|wed|mittwoch|mercredi|miercoles|mercoledi|quarta-feira|woensdag|水曜日|星期三
thursday|thu|thur|thurs|donnerstag|jeudi|jueves|giovedi|quinta-feira|donderdag|木曜日|星期四
friday|fri|freitag|vendredi|viernes|venerdi|sexta-feira|vrijdag|金曜日|星期五
saturday|sat|samstag|sonnabend|samedi|sabado|sabato|zaterdag|土曜日|星期六
sunday|sun|sonntag|dimanche|domingo|domenica|zondag|日曜日|星期日
january|jan|januar|janner|janvier|enero|gennaio|janeiro|januari
february|feb|februar|fevrier|febrero|febbraio|fevereiro|februari
march|mar|marz|mars|marzo|marco|maart
april|apr|avril|abril|aprile
may|mai|mayo|maggio|maio|mei
june|jun|juni|juin|junio|giugno|junho
july|jul|juli|juillet|julio|luglio|julho
august|aug|aout|agosto|augustus
september|sep|sept|septembre|septiembre|settembre|setembro
october|oct|okt|oktober|octobre|octubre|ottobre|outubro
november|nov|novembre|noviembre|novembro
december|dec|dez|dezember|decembre|diciembre|dicembre|dezembro
"""

_ELEMENTS = words(
    "hydrogen H helium He lithium Li beryllium Be boron B carbon C nitrogen N oxygen O"
    " fluorine F neon Ne sodium Na magnesium Mg aluminium Al silicon Si phosphorus P sulphur S"
    " chlorine Cl argon Ar potassium K calcium Ca scandium Sc titanium Ti vanadium V chromium"
    " Cr manganese Mn iron Fe cobalt Co nickel Ni copper Cu zinc Zn gallium Ga germanium Ge"
    " arsenic As selenium Se bromine Br krypton Kr rubidium Rb strontium Sr yttrium Y"
    " zirconium Zr niobium Nb molybdenum Mo ruthenium Ru rhodium Rh palladium Pd silver Ag"
    " cadmium Cd indium In tin Sn antimony Sb tellurium Te iodine I xenon Xe caesium Cs barium"
    " Ba tungsten W rhenium Re osmium Os iridium Ir platinum Pt gold Au mercury Hg thallium Tl"
    " lead Pb bismuth Bi polonium Po astatine At radon Rn francium Fr radium Ra thorium Th"
    " uranium U plutonium Pu"
)
_ELEMENT_QUESTION = re.compile(
    r"\b(?:element|metal|gas(?:es)?|symbol|chemical|atom|atomic|periodic)s?\b", re.I
)


def _table(text: str) -> dict[str, frozenset[str]]:
    """Name -> the things that it names. Lines that begin alike are of one thing."""
    found: dict[str, set[str]] = {}
    for line in text.strip().splitlines():
        names = line.split("|")
        for name in names:
            found.setdefault(name, set()).add(names[0])
    return {name: frozenset(things) for name, things in found.items()}


_NAMES = _table(_PLACES)
_CALENDAR = _table(_DAYS)
_ENGLISH_MONTHS = frozenset(
    words("january february march april may june july august september october november december")
)
_WORD = re.compile(r"[^\W\d]{3,}")
# Where a word is asked for, two words for one thing are two answers.
_WORD_QUESTION = re.compile(
    r"\b(?:synonyms?|antonyms?|opposite|plural|rhymes?|spell(?:ed|ing|t)?|letters?|syllables?"
    r"|abbreviation|(?:an)?other (?:word|name|term)|word (?:for|that|which|begins?|starts?))\b",
    re.I,
)
_SYMBOL_OF = dict(zip(map(plain_spelling, _ELEMENTS[::2]), _ELEMENTS[1::2], strict=True))
_NAME_OF = {symbol: name for name, symbol in _SYMBOL_OF.items()}


def is_alias(question: str, a: str, b: str) -> bool:
    """Are `a` and `b` two names of one thing?"""
    one, other = _key(a), _key(b)
    for table in (_NAMES, _CALENDAR):
        if one in table and other in table and table[one] & table[other]:
            return True
    if are_synonyms(one, other) and not _WORD_QUESTION.search(question):
        return True
    if not _ELEMENT_QUESTION.search(question):
        return False
    return _element(a) == _element(b) is not None


def is_calendar_name(text: str) -> bool:
    """Is it the name of a month or of a day of the week?"""
    return _key(text) in _CALENDAR


def calendar_names(text: str) -> frozenset[str]:
    """The months and days of the week that `text` names, in English."""
    tokens = re.findall(
        r"[^\W\d]{3,}(?:-feira)?|[月火水木金土日]曜日|星期[一二三四五六日]", _key(text)
    )
    return frozenset(name for token in tokens for name in _CALENDAR.get(token, ()))


def english_months(text: str) -> str:
    """ "4. Juli 1776" -> "4. july 1776"."""
    return _WORD.sub(_as_english_month, text)


def _as_english_month(found: re.Match[str]) -> str:
    names = _CALENDAR.get(_key(found[0]), frozenset())
    months = [name for name in names if name in _ENGLISH_MONTHS]
    return months[0] if len(months) == 1 else found[0]


def _element(text: str) -> str | None:
    text = text.strip(" .")
    if text in _NAME_OF:
        return _NAME_OF[text]
    name = plain_spelling(_key(text))
    return name if name in _SYMBOL_OF else None


@lru_cache(maxsize=4096)
def _key(text: str) -> str:
    text = without_accents(text.casefold()).strip(" .,;!?\"'")
    return re.sub(r"^(?:the|der|die|das|le|la|les|l'|el|los|las|il|lo|im|en|am|on)\s+", "", text)
