"""Names in old encodings are read as they were written, and where nobody can tell that is said."""

import io
from typing import Any

import pytest

from scheduler.ingest import Reading, Rows, open_rows
from scheduler.ingest.read.alphabets import CANDIDATES
from scheduler.ingest.read.encoding_guess import guessed
from scheduler.ingest.read.encoding_names import codec_named, name_of
from shared.errors import Refused

FRENCH = "José,Chloé,François,Zoë,Hélène,Benoît,Noël,l’été"
SPANISH = "Muñoz,Peña,García,José,Ángel,Íñigo,María"
GERMAN = "Müller,Jörg,Köhler,Groß,Straße,Ärzte"
POLISH = "Łukasz,Wiśniewski,Żółć,Paweł,Małgorzata,Święta"
CZECH = "Dvořák,Němec,Kučera,Jiří,Šárka,Růžena"
HUNGARIAN = "Nagy Ödön,Kovács,Erdős,Szőke,Fülöp,Zsófia"
ROMANIAN = "Mureşan,Ţepeş,Ionuţ,Bălan"
TURKISH = "Ayşe,Işık,Çağlar,Gökçe,Öztürk,Şahin"
RUSSIAN = "Иван,Петров,Анна,Сидорова,Ольга"
UKRAINIAN = "Олексій,Їжак,Євген"
GREEK = "Γιώργος,Παπαδόπουλος,Άννα,Μαρία"
HEBREW = "יוסי,כהן,שרה,לוי,מרים"
ARABIC = "محمد,فاطمة,أحمد"
JAPANESE = "山田太郎,佐藤花子,ヤマダ,すずき"
CHINESE = "王芳,张伟,李娜,刘洋,陈静"


@pytest.mark.parametrize(
    ("words", "codec"),
    [
        *((FRENCH, codec) for codec in ("cp1252", "mac_roman")),
        *((SPANISH, codec) for codec in ("cp1252", "mac_roman", "cp850")),
        *((GERMAN, codec) for codec in ("cp1252", "mac_roman", "cp850", "cp437")),
        *((POLISH, codec) for codec in ("cp1250", "iso8859_2", "cp852", "mac_latin2")),
        *((CZECH, codec) for codec in ("cp1250", "iso8859_2", "cp852")),
        *((HUNGARIAN, codec) for codec in ("cp1250", "iso8859_2")),
        (ROMANIAN, "cp1250"),
        (TURKISH, "cp1254"),
        *((RUSSIAN, c) for c in ("cp1251", "koi8_r", "cp866", "mac_cyrillic", "iso8859_5")),
        (UKRAINIAN, "cp1251"),
        *((GREEK, codec) for codec in ("cp1253", "iso8859_7")),
        (HEBREW, "cp1255"),
        (ARABIC, "cp1256"),
        ("Žukauskas,Jonaitė,Šarūnas,Čepaitė", "cp1257"),
        ("สมชาย,สมหญิง", "cp874"),
        *((JAPANESE, codec) for codec in ("cp932", "euc_jp")),
        (CHINESE, "gb18030"),
        ("王小明,陳美玲,林志豪", "big5"),
        ("김철수,이영희,박지성", "cp949"),
        ("Šárka,Œuvre,€5,José", "iso8859_15"),
        *(("João,Conceição,Antônio,Luís", codec) for codec in ("cp1252", "mac_roman")),
        *(("Åsa,Björn,Sjöberg,Örjan,Ångström", codec) for codec in ("cp1252", "mac_roman")),
        ("Bjørn,Åse,Næss", "cp1252"),
        ("MÜLLER,PEÑA,JOSÉ", "cp1252"),
        ("MÜLLER,PEÑA,JOSÉ", "mac_roman"),
        ("O’Brien,it’s", "cp1252"),
        ("O’Brien,it’s", "mac_roman"),
        ("“Ana” – ok…", "cp1252"),
        ("Ana\xa0Lee,5\xa0km", "cp1252"),
        *((word, "cp1252") for word in ("José", "Muñoz", "Zoë", "Béa")),
        *((word, "mac_roman") for word in ("José", "Muñoz", "O’Brien")),
        *(("Иван", codec) for codec in ("cp1251", "koi8_r", "cp866")),
        ("Dvořák", "cp1250"),
        ("Ayşe", "cp1254"),
        ("山田太郎", "cp932"),
        ("张伟", "gb18030"),
    ],
)
def test_names_are_read_as_they_were_written(words: str, codec: str) -> None:
    raw = words.encode(codec)

    guess = guessed([raw])

    assert raw.decode(guess.codec) == words
    assert guess.sense
    assert not guess.stray


@pytest.mark.parametrize("words", [SPANISH, GERMAN, "José", "Muñoz", "Müller", "Bjørn"])
def test_the_usual_names_in_the_usual_encoding_leave_no_doubt(words: str) -> None:
    assert guessed([words.encode("cp1252")]).rival is None


def test_what_could_be_either_is_said_with_both_readings() -> None:
    guess = guessed(["Kučera".encode("cp1250")])

    assert (guess.codec, guess.words) == ("cp1252", ("Kuèera",))
    assert (guess.rival, guess.otherwise) == ("windows-1250", ("Kučera",))


@pytest.mark.parametrize("stray", [b"\xff", b"\xfe", b"\x81", b"Mi\xc3", b"\x80bc", b"a\x98\x9db"])
def test_a_stray_byte_makes_no_sense_as_a_letter(stray: bytes) -> None:
    guess = guessed([stray])

    assert guess.stray or not guess.sense


def _opened(text: str | bytes, codec: str, **reading: Any) -> Rows:
    raw = text.encode(codec) if isinstance(text, str) else text
    return open_rows(io.BytesIO(raw), filename="guests.csv", reading=Reading(**reading))


def _file(words: str) -> str:
    lines = (f"+155520000{n:02d},{word}\n" for n, word in enumerate(words.split(",")))
    return "phone,name\n" + "".join(lines)


def test_one_accent_is_read_as_macintosh_with_a_warning() -> None:
    rows = _opened(_file("Ana,José"), "mac_roman")

    assert rows.encoding == "macroman"
    assert [cells[1] for _, cells in rows] == ["Ana", "José"]
    (warning,) = rows.warnings.found()
    assert warning.code == "encoding_unsure"
    assert "only “José” speaks" in warning.message
    assert "--encoding" in warning.fix


def test_a_doubtful_encoding_is_warned_of_with_the_words_it_changes() -> None:
    rows = _opened(_file("Ana,Kučera"), "cp1250")

    (warning,) = rows.warnings.found()
    assert warning.code == "encoding_unsure"
    assert "“Kuèera”. As windows-1250 it would say “Kučera”" in warning.message


@pytest.mark.parametrize("encoding", ["windows-1250", "cp1250", "CP1250"])
def test_what_is_said_of_the_encoding_overrules_and_leaves_no_doubt(encoding: str) -> None:
    rows = _opened(_file("Ana,Kučera"), "cp1250", encoding=encoding)

    assert (rows.encoding, rows.warnings.found()) == ("windows-1250", [])
    assert [cells[1] for _, cells in rows] == ["Ana", "Kučera"]


def test_bytes_that_are_no_text_in_the_encoding_said_cost_their_rows() -> None:
    rows = _opened(_file("Ana,José").encode() + b"+15552000009,\xe9\n", "", encoding="utf-8")

    assert [cells[1] for _, cells in rows] == ["Ana", "José", "\udce9"]


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"), ("utf-32-be", "utf-32-be"),
     ("utf-16-le", "utf-16"), ("utf-16-be", "utf-16"), ("utf-32-le", "utf-32"),
     ("utf-32-be", "utf-32"), ("utf-32", "utf-32")],
)  # fmt: skip
def test_wide_encodings_may_be_said_too_with_and_without_their_mark(
    codec: str, encoding: str
) -> None:
    rows = _opened(_file("Ana,José"), codec, encoding=encoding)

    assert [cells[1] for _, cells in rows] == ["Ana", "José"]


@pytest.mark.parametrize(
    "name",
    ["base64", "rot13", "idna", "punycode", "unicode_escape", "utf-7", "hex", "zlib", "cp037",
     "nonsense", "", "a\0b", "../x", "ö", "undefined"],
)  # fmt: skip
def test_what_is_no_encoding_of_a_file_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        _opened(_file("Ana"), "ascii", encoding=name)

    assert refused.value.code == "unknown_encoding"


def test_every_encoding_that_may_be_found_may_be_said_by_that_name() -> None:
    for candidate in CANDIDATES:
        codec = codec_named(candidate.name)
        assert name_of(codec) == candidate.name
        assert "é, Ж".encode(codec, "replace").decode(codec)[1] == ","


def test_letters_that_make_no_sense_in_any_encoding_are_refused_with_examples() -> None:
    lines = b"".join(b"+155520000%02d,a\x98\x9db%c\xac\n" % (n, 0x81 + n) for n in range(20))

    with pytest.raises(Refused) as refused:
        _opened(b"phone,name\n" + lines, "")

    assert refused.value.code == "unclear_encoding"
    assert "--encoding" in refused.value.message
    assert refused.value.details["examples"]


def test_words_that_make_no_sense_among_many_that_do_are_pointed_out() -> None:
    mixed = _file(SPANISH).encode("cp1252") + "+15552000099,Begoña Ibáñez\n".encode("mac_roman")

    rows = _opened(mixed, "")

    assert rows.encoding == "windows-1252"
    (warning,) = rows.warnings.found()
    assert warning.code == "odd_letters"
    assert "“Bego–a”, “Ib‡–ez”" in warning.message


@pytest.mark.parametrize(
    "word",
    ["5°C", "Nº 5", "1ª", "½ cup", "Café®", "Zoë’s", "L’Été", "m²", "Mon–Fri", "£5", "ÉCOLE",
     "MÉNDEZ", "DeÁvila", "Saint-Étienne", "¿Qué?", "(José)", "Ø 5", "“Ana”", "…más", "JoséLuis"],
)  # fmt: skip
def test_signs_and_capitals_where_people_write_them_are_not_odd(word: str) -> None:
    guess = guessed([word.encode("cp1252"), "José,Müller,García".encode("cp1252")])

    assert (guess.codec, guess.odd, guess.rival) == ("cp1252", (), None)


def test_a_small_share_of_damaged_lines_in_a_large_file_costs_their_rows() -> None:
    good = "".join(f"+1555{n:07d},Ana\n" for n in range(3000)).encode()
    damaged = b"".join(b"+1556%07d,a\x98\x9db%c\xac\n" % (n, 0x81 + n) for n in range(20))

    rows = _opened(b"phone,name\n" + good + damaged, "")

    assert rows.encoding == "utf-8"
    assert len(list(rows)) == 3020


def test_only_a_sample_of_a_large_file_is_judged() -> None:
    many = "".join(f"+1555{n:07d},José\n" for n in range(60_000))

    rows = _opened("phone,name\n" + many, "mac_roman")

    assert rows.encoding == "macroman"


@pytest.mark.parametrize(
    ("words", "read_as"),
    [("José", "cp1252"), ("Zoë Müller", "cp1252"), ("Á", "latin-1"), ("José", "mac_roman"),
     ("Дмитрий", "cp1251"), ("Ян", "latin-1"), ("O’Neil", "cp1252")],
)  # fmt: skip
def test_utf_8_encoded_twice_is_warned_of_with_what_it_should_be(words: str, read_as: str) -> None:
    twice = _file("Ana,Žofie,Иван," + words.encode().decode(read_as))

    rows = _opened(twice, "utf-8")

    assert list(rows) == list(_opened(twice, "utf-8", encoding="utf-8"))
    (warning,) = rows.warnings.found()
    assert warning.code == "encoded_twice"
    assert f"“{words.rsplit(maxsplit=1)[-1]}”" in warning.message
    assert "“Иван”" not in warning.message


@pytest.mark.parametrize(
    ("words", "codec"), [("José", "mac_roman"), (RUSSIAN, "cp1251"), (HEBREW, "cp1255")]
)
def test_utf_8_that_was_read_wrongly_before_is_warned_of_with_what_it_should_be(
    words: str, codec: str
) -> None:
    garbled = words.encode(codec).decode("cp1252")

    rows = _opened(_file(f"Ana,Zoë,{garbled}"), "utf-8")

    (warning,) = rows.warnings.found()
    assert warning.code == "read_wrongly"
    assert any(f"“{word}”" in warning.message for word in words.split(","))


def test_one_word_encoded_twice_deep_in_a_file_is_found() -> None:
    many = "".join(f"+1555{n:07d},Chloé\n" for n in range(90_000))

    rows = _opened(f"phone,name\n{many}+15552000001,ZoÃ«\n", "utf-8")

    assert [warning.code for warning in rows.warnings.found()] == ["encoded_twice"]


@pytest.mark.parametrize(
    "words", [FRENCH, POLISH, RUSSIAN, UKRAINIAN, GREEK, HEBREW, JAPANESE, "São,Âge,Ñuñoa,Рёв"]
)
def test_what_was_encoded_once_is_not_warned_of(words: str) -> None:
    assert _opened(_file(words), "utf-8").warnings.found() == []
