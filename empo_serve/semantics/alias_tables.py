"""Names that the CLDR does not have: one line is one thing, with all its names in lower case and
without accents."""

from __future__ import annotations

from empo_serve.semantics.questions import words

PLACES = """
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
marie curie|maria sklodowska-curie|marie sklodowska curie|madame curie
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
DAYS = """
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

ELEMENTS = words(
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
