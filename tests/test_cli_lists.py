"""`new`, `import` and `export`: a letter and its lists, in and out, all or nothing."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from letter.models import Audit, Letter, LetterState, LetterText, Signature
from tests.shell import NEW, TEXT, Run, a_shell, everything, stored

APPEAL = Path(__file__).resolve().parents[2] / "shared" / "letters" / "appeal.txt"
FIRST = [(1, "Ada Alder"), (2, "Ben Birch"), (3, "Readers’ Union")]
ROWS = [
    {"name": "Ada Alder", "affiliation": "Teacher", "kind": "person"},
    {"name": "Ben Birch", "affiliation": "Nurse", "kind": "person"},
    {"name": "Readers’ Union", "affiliation": "", "kind": "organisation"},
]
VERIFIED = {"verified": "vouched for by the organiser", "approved": "yes", "publish": "yes"}
EMPTY = [[], [], []]


@pytest.fixture(name="run")
def the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    with a_shell(tmp_path / "instance", monkeypatch, capfd) as run:
        assert run("init").code == 0
        yield run


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return file(tmp_path, TEXT)


def file(folder: Path, content: str | bytes) -> Path:
    path = folder / "list.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# new


def test_new_shows_what_it_read_and_asks(run: Run, text: Path):
    answer = run("new", "library", text, *NEW, typed="y\n")
    assert (answer.code, answer.out.count("\n")) == (0, 1)
    assert answer.out.endswith("Stored as a draft, with 3 first signatories: http://127.0.0.1:8000/library\n")
    assert "Make the letter “Open the library” with 3 first signatories? [y/N]: " in answer.out
    assert [re.split(r"  +", line.strip()) for line in answer.err.splitlines()] == [
        ["“Open the library”: 15 words, signed off with: Sincerely yours,"],
        ["line", "name", "affiliation", "doubt"],
        ["7", "Ada Alder", "Teacher"],
        ["8", "Ben Birch", "Nurse"],
        ["9", "Readers’ Union"],
        ["3 first signatories, 0 with a doubt."],
    ]
    assert stored(Signature.place, Signature.name) == FIRST


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_nothing_is_written_without_a_yes(run: Run, text: Path, typed: str):
    answer = run("new", "library", text, *NEW, typed=typed)
    assert (answer.code, answer.err.splitlines()[-1]) == (1, "Aborted!")
    assert everything() == EMPTY


def test_with_yes_nobody_is_asked(run: Run, text: Path):
    answer = run("new", "library", text, *NEW, "--addressees", "To the city council", "--yes")
    assert answer.out == "Stored as a draft, with 3 first signatories: http://127.0.0.1:8000/library\n"
    assert stored(LetterText.title, LetterText.addressees, LetterText.body, LetterText.sign_off) == [
        (
            "Open the library",
            "To the city council",
            "We ask for the library to be opened.\n\nIt has been closed for a year.",
            "Sincerely yours,",
        )
    ]


@pytest.mark.parametrize(("more", "state"), [([], LetterState.DRAFT), (["--open"], LetterState.OPEN)])
def test_a_new_letter_is_a_draft_unless_told_to_open(run: Run, text: Path, more: list[str], state: LetterState):
    assert run("new", "library", text, *NEW, "--yes", *more).code == 0
    assert stored(Letter.slug, Letter.state) == [("library", state)]


def test_a_letter_may_start_without_first_signatories(run: Run, tmp_path: Path):
    alone = file(tmp_path, TEXT.partition("Ada")[0])
    said = run("new", "library", alone, *NEW, "--yes").out
    assert said == "Stored as a draft, with 0 first signatories: http://127.0.0.1:8000/library\n"
    whole = run("new", "reading-room", alone, "--title", "Open the reading room", "--yes")
    assert whole.code == 0
    assert stored(LetterText.title, LetterText.sign_off) == [
        ("Open the library", "Sincerely yours,"),
        ("Open the reading room", ""),
    ]


def test_a_dry_run_writes_nothing(run: Run, text: Path):
    answer = run("new", "library", text, *NEW, "--dry-run")
    assert (answer.code, answer.out, everything()) == (0, "", EMPTY)
    assert "Ada Alder" in answer.err


def test_a_dry_run_in_json_gives_one_object_a_line_and_writes_nothing(run: Run, text: Path):
    answer = run("new", "library", text, *NEW, "--dry-run", "--json")
    assert [json.loads(line) for line in answer.out.splitlines()] == [
        {"line": number, **row, "doubt": ""} for number, row in enumerate(ROWS, 7)
    ]
    assert (answer.code, answer.err, everything()) == (0, "", EMPTY)


def test_a_second_letter_at_the_same_address_is_refused_and_leaves_nothing(run: Run, text: Path):
    run("new", "library", text, *NEW, "--yes")
    before = everything()
    again = run("new", "library", text, *NEW, "--yes")
    assert (again.code, again.out) == (1, "")
    assert again.err.splitlines()[-1] == "There is a letter at /library already."
    assert everything() == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"\x00\x01\xff\xfe\x80",
            "This is no text file in UTF-8 or UTF-16; line 1 cannot be read. Save it as plain text",
        ),
        (TEXT.encode() + b"\0", "This is no text file: line 10 holds NUL bytes or rich text."),
        (
            TEXT.encode("utf-8") + "Zoë".encode("latin-1"),
            "This is no text file in UTF-8 or UTF-16; line 10 cannot be read.",
        ),
        (TEXT + "A" * 500, "Line 10 is too long for a name and an affiliation (500 characters)."),
        (TEXT + "A" * 130 + " – Teacher", "The name in line 10 has 130 characters; 120 are the most."),
        (TEXT.replace("Sincerely yours,", ""), "No line reads “Sincerely yours,”."),
        (TEXT + "Sincerely yours,", "“Sincerely yours,” stands in line 5 and again in line 10; it must stand once."),
        ("Sincerely yours,\nAda Alder", "The text must have 1 to 60,000 characters."),
        (b"a" * 5_000_001, "list.txt is larger than 5 MB, which no list of names is."),
    ],
    ids=["binary", "NUL", "Latin-1", "long line", "long name", "no sign-off", "two sign-offs", "no text", "too large"],
)
def test_a_file_that_cannot_be_used_is_refused_and_nothing_is_written(
    run: Run, tmp_path: Path, content: str | bytes, sentence: str
):
    answer = run("new", "library", file(tmp_path, content), *NEW, "--yes")
    assert (answer.code, answer.out) == (1, "")
    assert sentence in answer.err.splitlines()[-1]
    assert everything() == EMPTY


def test_a_file_that_is_not_there_is_refused(run: Run, tmp_path: Path):
    missing = tmp_path / "none.txt"
    expected = f"{missing} cannot be read: No such file or directory."
    assert run("new", "library", missing, *NEW, "--yes").refusal == expected
    assert run("import", "library", missing, "--yes").refusal == expected


@pytest.mark.parametrize("slug", ["Library", "staff", "a b", "../x", "ə", "a" * 61])
def test_an_address_that_cannot_be_one_is_refused(run: Run, text: Path, slug: str):
    answer = run("new", slug, text, *NEW, "--yes")
    assert (answer.code, answer.err.splitlines()[-1].startswith(f"“{slug}” ")) == (1, True)
    assert everything() == EMPTY


# import


def test_import_adds_after_the_others(run: Run, text: Path, tmp_path: Path):
    run("new", "library", text, *NEW, "--yes")
    more = file(tmp_path, "Cleo Cedar – Poet\n\nAbe Elm – Baker\n")
    assert run("import", "library", more, "--yes").out == "Added 2 to /library.\n"
    assert stored(Signature.place, Signature.name) == [*FIRST, (4, "Cleo Cedar"), (5, "Abe Elm")]
    assert [row[0] for row in stored(Audit.action, Audit.id)] == ["import", "import", "letter.new"]


@pytest.mark.parametrize(
    ("slug", "content", "sentence"),
    [
        ("library", "Cleo Cedar – Poet\n" + "A" * 500, "Line 2 is too long for a name and an affiliation"),
        ("library", "\n \n", "There is no name in the list (read from line 1 on)."),
        ("none", "Cleo Cedar – Poet\n", "There is no letter at /none."),
    ],
)
def test_a_bad_import_adds_nobody(run: Run, text: Path, tmp_path: Path, slug: str, content: str, sentence: str):
    run("new", "library", text, *NEW, "--yes")
    before = everything()
    answer = run("import", slug, file(tmp_path, content), "--yes")
    assert (answer.code, answer.out, everything()) == (1, "", before)
    assert sentence in answer.err.splitlines()[-1]


# export


def test_export_writes_the_list_to_standard_output_and_leaves_a_trace(run: Run, text: Path):
    run("new", "library", text, *NEW, "--yes")
    as_json, as_csv = run("export", "library", "--format", "json"), run("export", "library", "--format", "csv")
    assert json.loads(as_json.out) == [row | VERIFIED for row in ROWS]
    assert list(csv.DictReader(as_csv.out.removeprefix("\ufeff").splitlines())) == [row | VERIFIED for row in ROWS]
    assert (as_json.err, as_csv.err) == ("", "")
    assert stored(Audit.id, Audit.actor, Audit.action, Audit.detail)[-2:] == [
        (3, "operator", "export", '{"format": "json", "rows": 3}'),
        (4, "operator", "export", '{"format": "csv", "rows": 3}'),
    ]


def test_a_list_that_is_read_in_twice_stands_there_once(run: Run, text: Path, tmp_path: Path):
    run("new", "library", text, *NEW, "--yes")
    more = file(tmp_path, "Cleo Cedar – Poet\n")
    assert run("import", "library", more, "--yes").out == "Added 1 to /library.\n"
    more.write_text("Cleo Cedar – Poet\nAbe Elm – Baker\n", "utf-8")
    assert run("import", "library", more, "--yes").out == "Added 1 to /library. 1 stood there already.\n"
    assert stored(Signature.place, Signature.name)[3:] == [(4, "Cleo Cedar"), (5, "Abe Elm")]


def test_an_export_of_no_letter_writes_nothing(run: Run):
    assert run("export", "none", "--format", "csv").refusal == "There is no letter at /none."
    assert everything() == EMPTY


@pytest.mark.skipif(not APPEAL.exists(), reason="shared/letters/appeal.txt is not here")
def test_the_appeal_goes_in_and_comes_out_with_its_first_signatories_in_order(run: Run):
    assert run("new", "appeal", APPEAL, "--title", "An appeal", *NEW[2:], "--open", "--yes").code == 0
    listed = APPEAL.read_text("utf-8").partition("Sincerely yours,")[2].split("\n")
    names = [" ".join(re.split("[-–]", line)[0].split()) for line in listed if line.strip()]
    assert len(names) == 78
    assert [row["name"] for row in json.loads(run("export", "appeal", "--format", "json").out)] == names
