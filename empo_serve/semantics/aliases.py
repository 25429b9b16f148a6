"""Other names of the same place, language, currency, element, month or day.

Countries, languages, currencies, months and days come from the Unicode CLDR in forty languages
(`scripts/gen_languages.py`). Well-known cities and rivers in English and in their own or a
neighbour's language, older names of countries, and symbols of the chemical elements are a closed
table here; one line is one thing. Not covered: people, works, companies.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
from functools import lru_cache
from importlib.resources import files

from anyascii import anyascii

from empo_serve.semantics.normalize import without_accents
from empo_serve.semantics.numbers import ORDINALS
from empo_serve.semantics.questions import words
from empo_serve.semantics.spellings import plain_spelling
from empo_serve.semantics.synonyms import are_synonyms

_PLACES = """
united kingdom|uk|great britain|britain|grossbritannien
england|angleterre|inglaterra|inghilterra
scotland|schottland|ecosse|escocia|scozia
ireland|eire
united states|united states of america|us|america
russia|russian federation|rossija
czechia|czech republic|republique tcheque
turkiye|turkey
croatia|hrvatska
japan|nippon
china|people's republic of china
india|bharat
south korea|republic of korea
congo - kinshasa|democratic republic of the congo|dr congo|drc
congo - brazzaville|republic of the congo
north korea|democratic people's republic of korea
myanmar|burma
sri lanka|ceylon
thailand|siam
iran|persia
eswatini|swaziland
cote d'ivoire|ivory coast|elfenbeinkuste|costa de marfil
timor-leste|east timor
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
english channel|manche|armelkanal|canal de la mancha
tigris|dijlah|dicle
baltic|baltic sea|ostsee
lake constance|bodensee
lake geneva|genfer see|lac leman
european union|eu
united nations|un|u.n.|uno|onu|united nations organization
pound sterling|pound|british pound|sterling|gbp|pounds sterling
us dollar|united states dollar|american dollar|u.s. dollar
japanese yen|yen
renminbi|yuan|rmb|cny|chinese yuan
south korean won|won
spanish|castilian|castellano
alabama|al
arizona|az
arkansas|ar
colorado|co
connecticut|ct
delaware|de
georgia|ga
idaho|id
illinois|il
indiana|in
iowa|ia
kansas|ks
kentucky|ky
louisiana|la
maine|me
maryland|md
massachusetts|ma
michigan|mi
minnesota|mn
mississippi|ms
missouri|mo
montana|mt
nebraska|ne
nevada|nv
new hampshire|nh
new jersey|nj
new mexico|nm
north carolina|nc
north dakota|nd
ohio|oh
oklahoma|ok
oregon|or
pennsylvania|pa
rhode island|ri
south carolina|sc
south dakota|sd
tennessee|tn
utah|ut
vermont|vt
virginia|va
west virginia|wv
wisconsin|wi
wyoming|wy
texas|tx
california|ca
florida|fl
hawaii|hi
alaska|ak
china|kitay|китай
united states|アメリカ|сша
paris|巴黎|パリ|париж
london|londres|londra|伦敦|ロンドン|лондон
berlin|柏林|ベルリン|берлин
rome|罗马|ローマ|рим
madrid|马德里|マドリード|мадрид
marie curie|maria skłodowska-curie|maria sklodowska-curie|marie skłodowska curie|madame curie
manchester united|man united|man utd
manchester city|man city
tuberculosis|tb
pig|swine
water|h2o
carbon dioxide|co2
carbon monoxide|co
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

# Short forms, and what the CLDR does not have.
_DAYS = """
monday|mon|月曜日|星期一
tuesday|tue|tues|火曜日|星期二
wednesday|wed|水曜日|星期三
thursday|thu|thur|thurs|木曜日|星期四
friday|fri|金曜日|星期五
saturday|sat|sonnabend|土曜日|星期六
sunday|sun|日曜日|星期日|星期天
january|jan|janner
february|feb
march|mar
april|apr
may|mai|mei
june|jun
july|jul
august|aug
september|sep|sept
october|oct|okt
november|nov
december|dec|dez
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


def _languages(name: str) -> str:
    packed = files("empo_serve.semantics") / "languages" / name
    return gzip.decompress(packed.read_bytes()).decode()


def _table(text: str) -> dict[str, frozenset[str]]:
    """Name -> the things that it names. Lines that begin alike are of one thing."""
    found: dict[str, set[str]] = {}
    for line in text.strip().splitlines():
        names = line.split("|")
        for name in names:
            found.setdefault(name, set()).add(names[0])
    return {name: frozenset(things) for name, things in found.items()}


# Countries, languages and currencies apart: "italia" is Italy, and Italian in some languages.
_NAMES = [_table(_PLACES + kind) for kind in _languages("names.txt.gz").split("\n\n")]
_CALENDAR = _table(_DAYS + _languages("calendar.txt.gz"))
_MONTHS = words(
    "january february march april may june july august september october november december"
)
_ENGLISH_MONTHS = frozenset(_MONTHS)
_ENGLISH_DAYS = frozenset(words("monday tuesday wednesday thursday friday saturday sunday"))
_NO_LETTER = re.compile(r"[^a-z]")
_NTH_MONTH = re.compile(r"\b(\d{1,2}(?:st|nd|rd|th)|[a-z]+) month of the year\b", re.I)
_MONTH_OR_DAY = re.compile(
    r"\b(?:(?:which|what|in what) (?P<month>month)|(?:which|what) (?:week)?day)\b", re.I
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
    for table in (*_NAMES, _CALENDAR):
        if one in table and other in table and table[one] & table[other]:
            return True
    if one.isascii() != other.isascii() and _same_sound(one, other):
        return True
    if are_synonyms(one, other) and not _WORD_QUESTION.search(question):
        return True
    if not _ELEMENT_QUESTION.search(question):
        return False
    return _element(a) == _element(b) is not None


def _same_sound(a: str, b: str) -> bool:
    """ "Тбилиси" and "Tbilisi": one name in two scripts, letter by letter."""
    one, other = (_NO_LETTER.sub("", anyascii(text).lower()) for text in (a, b))
    for written, plain in (("iy", "y"), ("ii", "y"), ("yy", "y"), ("kh", "h")):
        one, other = one.replace(written, plain), other.replace(written, plain)
    return len(one) > 2 and one == other


def is_calendar_name(text: str) -> bool:
    """Is it the name of a month or of a day of the week?"""
    return _key(text) in _CALENDAR


def calendar_names(text: str) -> frozenset[str]:
    """The months and days of the week that `text` names, in English."""
    tokens = re.findall(
        r"[^\W\d]{3,}(?:-feira)?|[月火水木金土日]曜日|星期[一二三四五六日天]|[一二三四五六七八九十]{1,2}月",
        _key(text),
    )
    return frozenset(name for token in tokens for name in _CALENDAR.get(token, ()))


def asked_calendar_names(question: str, text: str) -> frozenset[str]:
    """The same, but only months where a month is asked for, and only days where a day is. "The
    tenth month of the year" is October."""
    names = calendar_names(_NTH_MONTH.sub(_as_month, text))
    asked = _MONTH_OR_DAY.search(question)
    if asked is None:
        return names
    wanted = _ENGLISH_MONTHS if asked["month"] else _ENGLISH_DAYS
    return names & wanted or names


def _as_month(found: re.Match[str]) -> str:
    place = found[1].lower()
    number = ORDINALS.get(place) or int(re.sub(r"\D", "", place) or 0)
    return _MONTHS[number - 1] if 1 <= number <= 12 else found[0]


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
    text = unicodedata.normalize("NFKC", text).replace("’", "'")  # CO₂
    text = re.sub(r"(?:です|だ|である)[。.]?$", "", text.strip())
    text = without_accents(text.casefold()).strip(" .,;!?\"'")
    return re.sub(
        r"^(?:the|der|die|das|le|la|les|l'|el|los|las|il|lo|os?|im|en|am|on)\s+", "", text
    )
