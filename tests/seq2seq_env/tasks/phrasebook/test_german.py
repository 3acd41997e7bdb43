"""German inflection against tables written by hand."""

from __future__ import annotations

import pytest

from seq2seq_env.tasks.phrasebook import german
from seq2seq_env.tasks.phrasebook.grammar import contracted, german_verbs
from seq2seq_env.tasks.phrasebook.lexicon import Name, Noun, Verb, lexicon
from seq2seq_env.tasks.phrasebook.phrases import Named, NounPhrase, at_place, near_place, to_place

CASES, GENDERS = ("nom", "acc", "dat"), ("m", "f", "n", "p")


def noun(german_word: str, english: str = "") -> Noun:
    return next(n for n in lexicon().nouns if n.german == german_word and english in ("", n.english))


def verb(infinitive: str) -> Verb:
    return next(v for v in lexicon().verbs if v.infinitive == infinitive)


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("def", "der die das die / den die das die / dem der dem den"),
        ("this", "dieser diese dieses diese / diesen diese dieses diese / diesem dieser diesem diesen"),
        ("indef", "ein eine ein - / einen eine ein - / einem einer einem -"),
        ("no", "kein keine kein keine / keinen keine kein keine / keinem keiner keinem keinen"),
        ("poss", "mein meine mein meine / meinen meine mein meine / meinem meiner meinem meinen"),
        ("none", "- - - - / - - - - / - - - -"),
    ],
)
def test_determiners(kind: str, table: str) -> None:
    for case, row in zip(CASES, table.split(" / "), strict=True):
        for gender, form in zip(GENDERS, row.split(), strict=True):
            assert german.determiner(kind, case, gender) == form.replace("-", ""), (case, gender)


@pytest.mark.parametrize(
    ("owner", "forms"),
    [
        ("2s", "dein deinen deinem deine"),
        ("3m", "sein seinen seinem seine"),
        ("3f", "ihr ihren ihrem ihre"),
        ("1p", "unser unseren unserem unsere"),
        ("2p", "euer euren eurem eure"),
        ("3p", "ihr ihren ihrem ihre"),
        ("formal", "Ihr Ihren Ihrem Ihre"),
    ],
)
def test_possessives_by_owner(owner: str, forms: str) -> None:
    found = [german.determiner("poss", case, "m", owner) for case in CASES]
    assert [*found, german.determiner("poss", "nom", "f", owner)] == forms.split()


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("def", "kleine kleine kleine kleinen / kleinen kleine kleine kleinen / kleinen kleinen kleinen kleinen"),
        ("this", "kleine kleine kleine kleinen / kleinen kleine kleine kleinen / kleinen kleinen kleinen kleinen"),
        ("no", "kleiner kleine kleines kleinen / kleinen kleine kleines kleinen / kleinen kleinen kleinen kleinen"),
        ("poss", "kleiner kleine kleines kleinen / kleinen kleine kleines kleinen / kleinen kleinen kleinen kleinen"),
        ("indef", "kleiner kleine kleines kleine / kleinen kleine kleines kleine / kleinen kleinen kleinen kleinen"),
        ("none", "kleiner kleine kleines kleine / kleinen kleine kleines kleine / kleinem kleiner kleinem kleinen"),
    ],
)
def test_adjective_endings(kind: str, table: str) -> None:
    klein = next(a for a in lexicon().adjectives if a.german == "klein")
    for case, row in zip(CASES, table.split(" / "), strict=True):
        for gender, form in zip(GENDERS, row.split(), strict=True):
            assert german.adjective_form(klein, kind, case, gender) == form, (case, gender)


def test_an_adjective_in_e_does_not_double_it() -> None:
    muede = next(a for a in lexicon().adjectives if a.german == "müde")
    assert german.adjective_form(muede, "indef", "nom", "m") == "müder"
    assert german.adjective_form(muede, "def", "nom", "m") == "müde"


PRESENT = """
kaufen       kaufe kaufst kauft kaufen kauft kaufen
warten       warte wartest wartet warten wartet warten
öffnen       öffne öffnest öffnet öffnen öffnet öffnen
zeichnen     zeichne zeichnest zeichnet zeichnen zeichnet zeichnen
finden       finde findest findet finden findet finden
wechseln     wechsle wechselst wechselt wechseln wechselt wechseln
füttern      füttere fütterst füttert füttern füttert füttern
tanzen       tanze tanzt tanzt tanzen tanzt tanzen
reisen       reise reist reist reisen reist reisen
schließen    schließe schließt schließt schließen schließt schließen
geben        gebe gibst gibt geben gebt geben
essen        esse isst isst essen esst essen
vergessen    vergesse vergisst vergisst vergessen vergesst vergessen
lesen        lese liest liest lesen lest lesen
treffen      treffe triffst trifft treffen trefft treffen
helfen       helfe hilfst hilft helfen helft helfen
empfehlen    empfehle empfiehlst empfiehlt empfehlen empfehlt empfehlen
fahren       fahre fährst fährt fahren fahrt fahren
tragen       trage trägst trägt tragen tragt tragen
waschen      wasche wäschst wäscht waschen wascht waschen
laufen       laufe läufst läuft laufen lauft laufen
halten       halte hältst hält halten haltet halten
einladen     lade lädst lädt laden ladet laden
wegwerfen    werfe wirfst wirft werfen werft werfen
fernsehen    sehe siehst sieht sehen seht sehen
anfangen     fange fängst fängt fangen fangt fangen
"""


@pytest.mark.parametrize("line", PRESENT.strip().splitlines(), ids=lambda line: line.split()[0])
def test_present_of_weak_and_strong_verbs(line: str) -> None:
    infinitive, *forms = line.split()
    persons = ("1s", "2s", "3m", "1p", "2p", "formal")
    assert [german.present(verb(infinitive), person) for person in persons] == forms


@pytest.mark.parametrize(
    ("infinitive", "tense", "person", "forms"),
    [
        ("abholen", "present", "3f", ("holt", "ab", "abholt")),
        ("abholen", "past", "1s", ("habe", "abgeholt", "abgeholt habe")),
        ("abholen", "future", "3p", ("werden", "abholen", "abholen werden")),
        ("abholen", "müssen", "2s", ("musst", "abholen", "abholen musst")),
        ("abholen", "dürfen-past", "2p", ("durftet", "abholen", "abholen durftet")),
        ("aufstehen", "past", "1p", ("sind", "aufgestanden", "aufgestanden sind")),
        ("umziehen", "past", "3m", ("ist", "umgezogen", "umgezogen ist")),
        ("spazieren gehen", "present", "3m", ("geht", "spazieren", "spazieren geht")),
        ("spazieren gehen", "können", "1s", ("kann", "spazieren gehen", "spazieren gehen kann")),
        ("gehen", "present", "2p", ("geht", "", "geht")),
    ],
)
def test_separable_verbs_come_apart_and_together(
    infinitive: str, tense: str, person: str, forms: tuple[str, str, str]
) -> None:
    assert german_verbs(verb(infinitive), tense, person) == forms


@pytest.mark.parametrize(
    ("word", "plural", "forms"),
    [
        ("Student", False, "der Student / den Studenten / dem Studenten"),
        ("Kunde", False, "der Kunde / den Kunden / dem Kunden"),
        ("Nachbar", False, "der Nachbar / den Nachbarn / dem Nachbarn"),
        ("Polizist", True, "die Polizisten / die Polizisten / den Polizisten"),
        ("Kind", True, "die Kinder / die Kinder / den Kindern"),
        ("Apfel", True, "die Äpfel / die Äpfel / den Äpfeln"),
        ("Bruder", True, "die Brüder / die Brüder / den Brüdern"),
        ("Auto", True, "die Autos / die Autos / den Autos"),
        ("Kellnerin", True, "die Kellnerinnen / die Kellnerinnen / den Kellnerinnen"),
        ("Gast", False, "der Gast / den Gast / dem Gast"),
    ],
)
def test_n_declension_and_dative_plural(word: str, plural: bool, forms: str) -> None:
    phrase = NounPhrase(noun(word), "def", plural)
    assert [phrase.german(case) for case in CASES] == forms.split(" / ")


def test_herr_declines_and_frau_does_not() -> None:
    herr, frau = Named(Name("Herr Becker", "m", "Mr Becker")), Named(Name("Frau Winter", "f", "Ms Winter"))
    assert [herr.german(case) for case in CASES] == ["Herr Becker", "Herrn Becker", "Herrn Becker"]
    assert {frau.german(case) for case in CASES} == {"Frau Winter"}


def test_whole_noun_phrases() -> None:
    klein = next(a for a in lexicon().adjectives if a.german == "klein")
    phrases = {
        NounPhrase(noun("Hund"), "indef", adjective=klein): ("einen kleinen Hund", "a small dog"),
        NounPhrase(noun("Hund"), "def", True, klein): ("die kleinen Hunde", "the small dogs"),
        NounPhrase(noun("Hund"), "none", True, klein): ("kleine Hunde", "small dogs"),
        NounPhrase(noun("Hund"), "count", True, klein, 21): ("einundzwanzig kleine Hunde", "twenty-one small dogs"),
        NounPhrase(noun("Ei"), "indef"): ("ein Ei", "an egg"),
        NounPhrase(noun("Wasser"), "none"): ("Wasser", "water"),
        NounPhrase(noun("Hund"), "poss", True, owner="2p"): ("eure Hunde", "your dogs"),
        NounPhrase(noun("Hund"), "this", True): ("diese Hunde", "these dogs"),
    }
    for phrase, (accusative, english) in phrases.items():
        assert (phrase.german("acc"), phrase.object()) == (accusative, english)


def test_prepositions_fuse_with_the_article() -> None:
    assert [at_place(noun(word)).german for word in ("Bahnhof", "Hotel", "Apotheke", "Markt")] == [
        "am Bahnhof",
        "im Hotel",
        "in der Apotheke",
        "auf dem Markt",
    ]
    assert [to_place(noun(word)).german for word in ("Bahnhof", "Apotheke")] == ["zum Bahnhof", "zur Apotheke"]
    assert near_place(0, noun("Museum")).german == "neben dem Museum"
    assert [contracted(text) for text in ("an das Konzert", "von dem Dom", "an dem Plan", "an die Reise")] == [
        "ans Konzert",
        "vom Dom",
        "am Plan",
        "an die Reise",
    ]


def test_every_noun_has_a_gender_and_every_weak_noun_a_plural() -> None:
    assert {n.gender for n in lexicon().nouns} == {"m", "f", "n"}
    assert all(n.plural for n in lexicon().nouns if n.weak)
