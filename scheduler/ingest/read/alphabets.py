"""What people's names and addresses are written with: the letters of languages, and the encodings.

The letters are those beyond ASCII, the most frequent first. Costs are in nats, about: how surprised
one should be.
"""

from typing import Final, NamedTuple


class Candidate(NamedTuple):
    """An encoding a file may be in; `rarity` is the cost of meeting one at all."""

    codec: str
    name: str
    rarity: float


CANDIDATES: Final = (
    Candidate("cp1252", "windows-1252", 0.0),
    Candidate("iso8859_15", "iso-8859-15", 1.5),
    Candidate("cp1250", "windows-1250", 2.0),
    Candidate("cp1251", "windows-1251", 1.5),
    Candidate("cp1253", "windows-1253", 2.0),
    Candidate("cp1254", "windows-1254", 2.0),
    Candidate("cp1255", "windows-1255", 2.0),
    Candidate("cp1256", "windows-1256", 2.5),
    Candidate("cp1257", "windows-1257", 3.0),
    Candidate("cp874", "cp874", 3.0),
    Candidate("cp932", "shift_jis", 2.0),
    Candidate("gb18030", "gb18030", 2.0),
    Candidate("big5hkscs", "big5", 2.5),
    Candidate("cp949", "euc-kr", 2.5),
    Candidate("euc_jp", "euc-jp", 4.0),
    Candidate("mac_roman", "macroman", 4.0),
    Candidate("iso8859_2", "iso-8859-2", 3.0),
    Candidate("iso8859_5", "iso-8859-5", 4.5),
    Candidate("iso8859_7", "iso-8859-7", 2.5),
    Candidate("koi8_r", "koi8-r", 3.0),
    Candidate("cp866", "ibm866", 3.5),
    Candidate("cp850", "ibm850", 4.5),
    Candidate("cp852", "ibm852", 4.5),
    Candidate("cp437", "ibm437", 5.0),
    Candidate("mac_latin2", "mac-latin2", 5.0),
    Candidate("mac_cyrillic", "mac-cyrillic", 5.0),
    Candidate("mac_greek", "mac-greek", 5.0),
    Candidate("mac_turkish", "mac-turkish", 5.5),
)


class Language(NamedTuple):
    """Its letters beyond ASCII, small, by frequency; the cost of meeting it at all."""

    letters: str
    rarity: float = 0.0


#: By script. A word is in one script, and its accents are one language's.
LANGUAGES: Final = {
    "latin": (
        Language("éíáóñúü"),
        Language("éèêçàëïôîâùûœæüÿ"),
        Language("üöäßé"),
        Language("ãéçíáóâêõúôà", 0.5),
        Language("àèéìòù", 0.5),
        Language("ëéïöèüá", 0.5),
        Language("öäåéüø", 0.5),
        Language("øåæéöä", 0.5),
        Language("àèéíòóúçïü", 1.5),
        Language("łóąęśżńćź", 0.5),
        Language("íáěščřžýéůúňďťó", 0.5),
        Language("áíéčšžýúľťňďôäŕĺó", 1.0),
        Language("éáöőóüűúí", 0.5),
        Language("ăâîșțşţ", 0.5),
        Language("čšžćđ", 0.5),
        Language("ışüğöçâîû", 0.5),
        Language("ėšžųįąčęū", 2.0),
        Language("āēīūšžčņļķģ", 2.0),
        Language("õäöüšž", 2.0),
        Language("ëç", 2.0),
        Language("áéíóúýþðöæ", 3.0),
    ),
    "cyrillic": (
        Language("аоеинрвтлксмдяпйгуыбшзьхжчюцфщэёъ"),
        Language("аоинерквтлсмдпіяйгубшзьхжчюцфщєїґ", 0.5),
        Language("аоеинрвтлксмдпгубшзхжчцфјљњћђџ", 1.5),
        Language("аоеинрвтлксмдпгубшзхжчцфјљњѓќџѕ", 3.0),
        Language("аоеінрвтлксмдяпйгуыбшзьхжчюцфэёў", 2.0),
    ),
    "greek": (Language("αοιςνητσρλεπκμάίγόυδήέθώχβύφωζξψϊϋΐΰ"),),
    "hebrew": (Language("יוהלארמשנתבדחקעפגכטסזצםןךףץ"),),
    "arabic": (Language("اليمنردبعحسهتوفقكطجخشزصثضغذظىةأإآؤئءپچژگک"),),
}

#: What stands beside a word or within a sentence, and no letter.
TYPOGRAPHIC: Final = frozenset("’‘“”–—…«»„‚‹›€£®©™°ºª\xa0•·¡¿´`§")
#: These are written in each other's company.
EAST_ASIAN: Final = frozenset(["han", "kana", "halfkana", "hangul"])
