"""Export formats: what goes in comes out, in pieces, and no spreadsheet runs any of it."""

import csv
import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from letter.exporting import WRITERS, writer
from letter.formats import Row, Writer
from letter.formats.csv import TRIGGERS, CsvWriter, safe
from letter.formats.json import JsonWriter

COLUMNS = ("name", "affiliation")
PEOPLE = [
    {"name": "Əliyeva Günel", "affiliation": "Müəllim, “Kitab” klubu"},
    {"name": "Борис Ёлкин", "affiliation": '"Голос"; писатель'},
    {"name": "دنى محمد", "affiliation": "كاتبة"},
    {"name": "王小明", "affiliation": "=1+1"},
    {"name": "Zoë 🖋 O’Brien", "affiliation": ""},
]
IN_CSV = """\
\ufeff"name","affiliation"\r
"Əliyeva Günel","Müəllim, “Kitab” klubu"\r
"Борис Ёлкин",""\"Голос""; писатель"\r
"دنى محمد","كاتبة"\r
"王小明","'=1+1"\r
"Zoë 🖋 O’Brien",""\r
"""
IN_JSON = """\
[
{"name": "Əliyeva Günel", "affiliation": "Müəllim, “Kitab” klubu"},
{"name": "Борис Ёлкин", "affiliation": "\\"Голос\\"; писатель"},
{"name": "دنى محمد", "affiliation": "كاتبة"},
{"name": "王小明", "affiliation": "=1+1"},
{"name": "Zoë 🖋 O’Brien", "affiliation": ""}
]
"""
CELL = st.text(max_size=30) | st.tuples(
    st.sampled_from(["", " ", "\u00a0 ", "'"]), st.sampled_from(TRIGGERS), st.text()
).map("".join)
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, CELL)), max_size=4)
THOROUGH = settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def written(writer: Writer, rows: list[Row]) -> bytes:
    return b"".join(writer.write(COLUMNS, rows))


def read_csv(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


@pytest.mark.parametrize(("name", "expected"), [("csv", IN_CSV), ("json", IN_JSON)])
def test_a_small_list_in_several_scripts_has_these_bytes(name: str, expected: str):
    assert written(writer(name), PEOPLE) == expected.encode()


@THOROUGH
@given(ROWS)
def test_csv_gives_back_what_was_typed_but_for_a_leading_apostrophe(rows: list[Row]):
    head, *cells = read_csv(written(CsvWriter(), rows))
    assert tuple(head) == COLUMNS
    assert cells == [[safe(row[column].replace("\0", "")) for column in COLUMNS] for row in rows]
    for row, found in zip(rows, cells, strict=True):
        assert [cell.removeprefix("'") for cell in found] == [
            row[column].replace("\0", "").removeprefix("'") for column in COLUMNS
        ]


@THOROUGH
@given(ROWS)
def test_no_cell_of_a_csv_file_starts_as_a_formula_does(rows: list[Row]):
    for cells in read_csv(written(CsvWriter(), rows)):
        assert not any(cell.lstrip(" \u00a0").startswith(TRIGGERS) for cell in cells)


@THOROUGH
@given(ROWS)
def test_json_gives_back_exactly_what_was_typed(rows: list[Row]):
    assert json.loads(written(JsonWriter(), rows)) == rows


@pytest.mark.parametrize(
    ("typed", "cell"),
    [
        *((f"{sign}1+1", f"'{sign}1+1") for sign in "=+-@＝＋－＠"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        (" =1", "' =1"),
        ("\u00a0=1", "'\u00a0=1"),
        ("'=1", "'=1"),
        ("Ada = Alder", "Ada = Alder"),
        ("O’Brien-Łoś", "O’Brien-Łoś"),
        ("", ""),
    ],
)
def test_an_apostrophe_makes_a_formula_text(typed: str, cell: str):
    assert safe(typed) == cell


def test_every_line_of_a_csv_file_ends_as_the_standard_says():
    data = written(CsvWriter(), PEOPLE)
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\r\n") == data.count(b"\n") == len(PEOPLE) + 1


def test_an_empty_list_is_still_a_file():
    assert written(CsvWriter(), []) == b'\xef\xbb\xbf"name","affiliation"\r\n'
    assert json.loads(written(JsonWriter(), [])) == []


@pytest.mark.parametrize("name", WRITERS)
def test_the_first_piece_comes_before_the_last_row_is_read(name: str):
    seen = list[int]()

    def rows() -> Iterator[Row]:
        for number in range(20_000):
            seen.append(number)
            yield {"name": f"Person {number}", "affiliation": "Teacher"}

    pieces = writer(name).write(COLUMNS, rows())
    assert next(pieces)
    assert 0 < len(seen) < 5_000
    sizes = [len(piece) for piece in pieces]
    assert len(seen) == 20_000
    assert max(sizes) < 100_000


def test_a_row_must_have_every_column():
    for name in WRITERS:
        with pytest.raises(KeyError):
            list(writer(name).write(COLUMNS, [{"name": "Ada Alder"}]))


def test_a_writer_says_what_it_makes():
    assert {name: (w.media_type, w.extension) for name in WRITERS if (w := writer(name))} == {
        "csv": ("text/csv; charset=utf-8", "csv"),
        "json": ("application/json", "json"),
    }
