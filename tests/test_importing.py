import re
from pathlib import Path

import pytest

from letter.importing import Entry, NotAList, decode, read_entries, split_letter

APPEAL = Path(__file__).resolve().parents[2] / "shared" / "letters" / "appeal.txt"
DASHED = "\n".join(f"Person {word} – Teacher" for word in ("Alder", "Birch", "Cedar", "Elm", "Fir", "Hazel", "Larch"))


@pytest.fixture(name="appeal")
def the_appeal() -> list[Entry]:
    if not APPEAL.exists():
        pytest.skip("shared/letters/appeal.txt is not here")
    text = decode(APPEAL.read_bytes())
    _, _, first_line = split_letter(text, "Sincerely yours,")
    return read_entries(text, first_line)


def only(line: str) -> Entry:
    (entry,) = read_entries(line)
    return entry


def read(line: str) -> tuple[str, str]:
    entry = only(line)
    return entry.name, entry.affiliation


def among_dashes(line: str) -> Entry:
    return read_entries(f"{DASHED}\n{line}")[-1]


def letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text)


# The appeal


def test_the_appeal_has_seventy_eight_persons(appeal: list[Entry]):
    assert len(appeal) == 78
    assert {entry.kind for entry in appeal} == {"person"}


def test_each_name_in_the_appeal_ends_at_the_first_dash_of_its_line(appeal: list[Entry]):
    for entry in appeal:
        name, affiliation = re.split("[-–]", entry.raw, maxsplit=1)
        assert entry.name == " ".join(name.split())
        assert entry.affiliation == " ".join(affiliation.split()).rstrip(",")


def test_the_lines_of_the_appeal_are_those_of_the_file_in_order(appeal: list[Entry]):
    lines = APPEAL.read_text(encoding="utf-8").split("\n")
    assert [lines[entry.line - 1] for entry in appeal] == [entry.raw for entry in appeal]
    assert [entry.line for entry in appeal] == sorted({entry.line for entry in appeal})


def test_no_part_of_the_appeal_has_a_separator_or_space_at_its_ends(appeal: list[Entry]):
    for part in (part for entry in appeal for part in (entry.name, entry.affiliation)):
        assert part and part == part.strip(" \t,;:|-–—")
        assert "  " not in part


def test_nothing_of_a_line_of_the_appeal_is_lost(appeal: list[Entry]):
    for entry in appeal:
        assert letters(entry.name + entry.affiliation) == letters(entry.raw)


def test_only_the_line_of_the_appeal_that_ends_in_a_comma_is_doubted(appeal: list[Entry]):
    (doubted,) = [entry for entry in appeal if entry.doubt]
    assert doubted.raw.endswith(",")
    assert doubted.doubt == "The line ends in a comma, as if something were missing."


def test_the_body_of_the_appeal_ends_before_the_sign_off():
    if not APPEAL.exists():
        pytest.skip("shared/letters/appeal.txt is not here")
    text = APPEAL.read_text(encoding="utf-8")
    body, sign_off, first_line = split_letter(text, "Sincerely yours,")
    assert text.startswith(body) and sign_off not in body
    assert text.split("\n")[first_line - 2] == sign_off == "Sincerely yours,"


# Where a name ends


@pytest.mark.parametrize(
    "separator", [" – ", " - ", "- ", "-  ", " –", " — ", "–", "—", "--", " -- ", "\t", " | ", ", ", "; "]
)
def test_a_name_ends_at(separator: str):
    assert read(f"Ida Birch{separator}Teacher") == ("Ida Birch", "Teacher")


def test_a_name_ends_at_a_bracket():
    assert read("Ida Birch (Teacher, Alder School (Riga) – North)") == (
        "Ida Birch",
        "Teacher, Alder School (Riga) – North",
    )


def test_the_first_separator_wins():
    assert read("Ida Birch- Director, AS – Alder School") == ("Ida Birch", "Director, AS – Alder School")
    assert read("Ida Birch- Journalist- writer") == ("Ida Birch", "Journalist- writer")


def test_a_comma_before_a_role_comes_before_a_dash():
    assert read("Ida Birch, Director – Alder School") == ("Ida Birch", "Director – Alder School")


def test_a_surname_first_is_not_cut_at_its_comma_before_a_dash():
    assert read("Birch, Ida – Teacher") == ("Birch, Ida", "Teacher")
    assert only("Birch, Ida – Teacher").doubt == "The name holds “,”."


def test_a_comma_before_a_dash_ends_the_name_in_a_list_of_commas():
    *_, last = read_entries("Ida Birch, Riga\nOle Elm, Oslo\nEva Fir, Alder School – North")
    assert (last.name, last.affiliation) == ("Eva Fir", "Alder School – North")


def test_a_generation_stays_with_its_name():
    assert read("Ole Elm, Jr., Teacher") == ("Ole Elm, Jr.", "Teacher")
    assert not only("Ole Elm, Jr., Teacher").doubt


def test_a_tab_in_brackets_becomes_a_space():
    assert read("Ida (née\tElm) Birch – Teacher") == ("Ida (née Elm) Birch", "Teacher")


def test_columns_of_a_table_become_one_affiliation():
    assert read("Ida Birch\tTeacher\tAlder School") == ("Ida Birch", "Teacher, Alder School")


@pytest.mark.parametrize(
    ("line", "name", "affiliation"),
    [
        ("Jean-Luc Picard - Captain", "Jean-Luc Picard", "Captain"),
        ("Əli-zadə Leyla – Jurnalist", "Əli-zadə Leyla", "Jurnalist"),
        ("Anne-Marie Özil-Kaya, Teacher", "Anne-Marie Özil-Kaya", "Teacher"),
        ("Sara Levy-Cohen", "Sara Levy-Cohen", ""),
        ("Musa al-Alder", "Musa al-Alder", ""),
        ("Ida Birch-Elm | Alder School", "Ida Birch-Elm", "Alder School"),
        ("Ida Birch–Elm – Teacher", "Ida Birch–Elm", "Teacher"),
    ],
)
def test_a_double_barrelled_name_stays_whole(line: str, name: str, affiliation: str):
    for entry in (only(line), among_dashes(line)):
        assert (entry.kind, entry.name, entry.affiliation, entry.doubt) == ("person", name, affiliation, "")


@pytest.mark.parametrize(
    ("line", "name", "affiliation"),
    [
        ("Ida Birch-Lawyer, Member of the Alder Bar", "Ida Birch", "Lawyer, Member of the Alder Bar"),
        ("Anne-Marie Birch-Co-founder", "Anne-Marie Birch", "Co-founder"),
        ("Ida Birch-Political Activist", "Ida Birch", "Political Activist"),
        ("Ida Birch-“Alder” newspaper", "Ida Birch", "“Alder” newspaper"),
        ("Ida Birch-Director, AS – Alder School", "Ida Birch", "Director, AS – Alder School"),
    ],
)
def test_a_hyphen_before_a_role_ends_the_name(line: str, name: str, affiliation: str):
    assert read(line) == (name, affiliation)
    assert not only(line).doubt


def test_a_hyphen_before_several_words_ends_the_name_only_in_a_list_of_dashes():
    line = "Ida Birch-Alder School Riga"
    assert read(line) == (line, "")
    entry = among_dashes(line)
    assert (entry.name, entry.affiliation) == ("Ida Birch", "Alder School Riga")
    assert entry.doubt == "The name was ended at “-”, which may belong to it."


@pytest.mark.parametrize("start", ["1. ", "12) ", "(3) ", "4.", "5\t", "• ", "- ", "– ", "* ", "*", "•\t7. "])
def test_numbers_and_bullets_in_front_are_left_out(start: str):
    assert read(f"{start}Ida Birch – Teacher") == ("Ida Birch", "Teacher")
    assert read(f"{start}Sara Levy-Cohen") == ("Sara Levy-Cohen", "")


def test_a_name_that_begins_with_a_number_keeps_it():
    assert only("350.example").name == "350.example"


@pytest.mark.parametrize("end", [",", ";", " –", "-", " , ", ":", "|"])
def test_separators_at_the_end_are_left_out_and_doubted(end: str):
    entry = only(f"Ida Birch – Teacher{end}")
    assert (entry.name, entry.affiliation) == ("Ida Birch", "Teacher")
    assert "as if something were missing" in entry.doubt


def test_a_list_that_ends_all_its_lines_in_commas_is_not_doubted():
    assert [entry.doubt for entry in read_entries("Ida Birch,\nOle Elm,\nEva Fir,\nKai Alder")] == [""] * 4


# What a name is made of


def test_names_are_kept_as_typed_but_composed_and_with_single_spaces():
    assert read(" ida  MC\u00a0Bi\u0308rch –  the  “ Alder”  paper ") == ("ida MC Bïrch", "the “ Alder” paper")


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\ufeff", "\u202e", "\u2066", "\u00ad", "\x07", "\x7f", "\u2060", "\u200d "]
)
def test_invisible_characters_are_left_out(hidden: str):
    assert letters(only(f"{hidden}Ida{hidden} Birch{hidden}").name) == "IdaBirch"
    assert only(f"{hidden}Ida {hidden}Birch{hidden}").name == "Ida Birch"


def test_joiners_between_letters_stay():
    assert only("گل\u200cنسا سرو").name == "گل\u200cنسا سرو"
    assert only("ශ්\u200dරී ලතා").name == "ශ්\u200dරී ලතා"


def test_the_line_is_given_as_it_was():
    assert only("  1.  Ida \u200bBirch –\tTeacher, ").raw == "  1.  Ida \u200bBirch –\tTeacher, "


# Organisations


@pytest.mark.parametrize(
    "line",
    [
        "Institute for Alder Studies",
        "The Birch Union",
        "Ahornfreunde Riga e.V.",
        "Robert-Birch-Stiftung",
        "Women's Anti-Birch Foundation",
        "Public Association for Trees",
        "• Cedar Network",
    ],
)
def test_a_plain_organisation_is_one(line: str):
    entry = only(line)
    assert (entry.kind, entry.name, entry.affiliation, entry.doubt) == ("organisation", line.lstrip("• "), "", "")


def test_an_organisation_after_a_name_leaves_a_person():
    assert only("Ida Birch – Cedar Network").kind == "person"


def test_an_organisation_where_a_name_should_be_is_doubted():
    entry = only("Birch Union (BU)")
    assert entry.kind == "person"
    assert "“Union”" in entry.doubt


# Doubts


@pytest.mark.parametrize(
    ("line", "doubt"),
    [
        ("Ida Birch of the North", "Nothing shows where the name ends."),
        ("Ida Birch – https://alder.example", "The line holds a web address."),
        ("Birch – Teacher", "The name is a single word."),
        ("Ida B1rch – Teacher", "There is a digit in the name."),
        (f"Ida {'B' * 57} – Teacher", "The name is longer than 60 characters."),
        (f"Ida {'B' * 110} – {'T' * 190}", "The line is longer than 300 characters."),
        ("Ida Birch Journalist", "“Journalist” in the name may belong to an affiliation or an organisation."),
        ("Ida & Ole Birch – Teachers", "The name holds “&”."),
        ("Ida Birch–Elm, Teacher", "The name was ended at “–”, which may belong to it."),
    ],
)
def test_a_person_should_look_at(line: str, doubt: str):
    assert doubt in only(line).doubt


@pytest.mark.parametrize(
    "line", ["Ida Birch", "Ida Birch – Teacher", "Ida Maria Birch Elm", "Ida Birch – Alder FM 104"]
)
def test_a_plain_line_is_not_doubted(line: str):
    assert not only(line).doubt


def test_the_same_name_twice_is_doubted_where_it_comes_again():
    first, _, again = read_entries("Ida Birch – Teacher\n\nOle Elm\nIda  Birch, Riga")
    assert not first.doubt
    assert (again.line, again.doubt) == (4, "The same name stands in line 1.")


def test_several_doubts_are_all_told():
    assert only("B1rch,").doubt.count(".") == 3


# Lines and limits


def test_lines_are_counted_over_the_whole_file():
    entries = read_entries("Dear all,\n\nbye\n\n Ida Birch\n---\n\n2. Ole Elm", first_line=4)
    assert [(entry.line, entry.name) for entry in entries] == [(5, "Ida Birch"), (8, "Ole Elm")]


def test_a_name_may_have_120_characters_and_an_affiliation_200():
    assert read(f"{'N' * 120} – {'A' * 200}") == ("N" * 120, "A" * 200)


@pytest.mark.parametrize("line", [f"{'N' * 121} – Teacher", f"Ida Birch – {'A' * 201}", "(" * 100_000 + "N"])
def test_what_is_too_long_is_refused_with_its_line(line: str):
    with pytest.raises(NotAList, match=r"\bline 3\b|^Line 3\b"):
        read_entries(f"Ole Elm\n\n{line}")


def test_twenty_thousand_lines_are_read_and_no_more():
    most = "Ole Elm\n" + "\n" * 19_998 + "Ida Birch\n\n"
    assert read_entries(most)[-1].line == 20_000
    with pytest.raises(NotAList, match="line 20000"):
        read_entries("\n" + most)


@pytest.mark.parametrize("text", ["", "\n \n\t\n", "---\n* * *\n1.\n", "\u200b"])
def test_a_list_without_a_name_is_no_list(text: str):
    with pytest.raises(NotAList, match="no name"):
        read_entries(text)


def test_reading_what_was_read_changes_nothing():
    lines = [
        "Ida Birch-Elm, Teacher",
        "1. Ole Elm- Poet- writer,",
        "Eva Fir (Alder (Riga))",
        "Birch Union",
        "Kai Alder\tBoat-builder",
    ]
    once = read_entries("\n".join(lines))
    again = read_entries("\n".join(f"{entry.name} | {entry.affiliation}".rstrip("| ") for entry in once))
    parts = [[(entry.kind, entry.name, entry.affiliation) for entry in entries] for entries in (once, again)]
    assert parts[0] == parts[1]


# Bytes and text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_text_is_read_whatever_its_encoding_and_line_ends(encoding: str, end: str):
    assert decode(f"Əli Birch{end}{end}Ole Ölm".encode(encoding)) == "Əli Birch\n\nOle Ölm"


def test_a_text_in_big_endian_utf_16_is_read():
    assert decode(b"\xfe\xff" + "Əli".encode("utf-16-be")) == "Əli"


def test_form_feeds_and_line_separators_start_no_line():
    assert [entry.line for entry in read_entries(decode("Ida Birch\x0c\u2028\nOle Elm".encode()))] == [1, 2]


@pytest.mark.parametrize("data", [b"PK\x03\x04\xff\xfe", "Ида".encode("cp1251"), b"\xff\xfea", b"{\\rtf1 Ida Birch}"])
def test_what_is_no_text_file_is_refused(data: bytes):
    with pytest.raises(NotAList, match="is no text file"):
        decode(data)


@pytest.mark.parametrize(
    "data", [b"Ida\r\nOle\r\n\xe9", b"Ida\nOle\nEva\x00", b"Ida\rOle\r\x00", "Ida\nOle\n\0".encode("utf-16")]
)
def test_the_line_that_cannot_be_read_is_named(data: bytes):
    with pytest.raises(NotAList, match="line 3 "):
        decode(data)


# The letter before the list


def test_a_letter_is_split_at_its_sign_off():
    assert split_letter("Dear all,\n\nplant trees.\n\n Yours   truly, \n\nIda", "Yours truly,") == (
        "Dear all,\n\nplant trees.",
        "Yours truly,",
        6,
    )


def test_a_sign_off_that_stands_twice_is_refused_with_both_lines():
    with pytest.raises(NotAList, match="line 2 and again in line 4"):
        split_letter("Trees!\nYours,\nIda\nYours,\nOle", "Yours,")


def test_a_missing_sign_off_is_quoted():
    with pytest.raises(NotAList) as refused:
        split_letter("Trees!\n\nIda", "Yours truly,")
    assert str(refused.value) == "No line reads “Yours truly,”."


def test_a_sign_off_that_comes_close_is_named():
    with pytest.raises(NotAList, match=r"“Yours truly,”\. Line 3 comes close: “yours Truly”"):
        split_letter("Trees!\n\nyours Truly\nIda", "Yours truly,")


@pytest.mark.parametrize("after", ["", "  ", "\u200b"])
def test_an_empty_sign_off_is_refused(after: str):
    with pytest.raises(NotAList, match="Say which"):
        split_letter("Trees!\n\nIda", after)


def test_a_letter_and_its_list_are_read_together():
    text = decode("Trees!\r\n\r\nYours,\r\n\r\nIda Birch – Teacher\r\nOle Elm".encode("utf-16"))
    _, _, first_line = split_letter(text, "Yours,")
    assert [(entry.line, entry.name) for entry in read_entries(text, first_line)] == [(5, "Ida Birch"), (6, "Ole Elm")]


def test_a_line_with_an_address_is_never_made_public():
    with pytest.raises(NotAList, match="Line 2 holds an e-mail address"):
        read_entries("Ada Alder – Teacher\nBen Birch – Baker, ben.birch@example.org")
