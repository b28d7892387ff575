"""Reading a list of first signatories from the text an organiser has at hand."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from letter.errors import BadInput
from letter.text import visible

MOST_LINES, MOST_IN_NAME, MOST_IN_AFFILIATION, LONG_NAME, LONG_LINE = 20_000, 120, 200, 60, 300
MOST_IN_LINE = 400  # no longer line can pass the two limits above; refusing it first keeps the searches short

# Words that are surnames as well (Lehrer, Head, Baker) are left out: "Levy-Lehrer" must stay whole.
ROLES = (
    "activist|adviser|advisor|analyst|architect|artist|attorney|author|blogger|chair|chairman|chairperson|chairwoman|"
    "columnist|coordinator|defender|deputy|director|doctor|economist|editor|engineer|expert|founder|historian|"
    "journalist|lawyer|lecturer|manager|member|photographer|physician|poet|politician|president|producer|professor|"
    "publicist|reporter|researcher|scientist|secretary|sociologist|student|teacher|translator|writer|avocat|avocate|"
    "jurnalist|hüquqşünas|vəkil|yazıçı|şair|direktor|sədri|müəllim|həkim|iqtisadçı|tarixçi|redaktor|"
    "gazeteci|avukat|rechtsanwalt|rechtsanwältin|anwältin|autorin|lehrerin|schriftsteller|vorsitzende|vorsitzender|"
    "журналист|журналистка|юрист|адвокат|директор|председатель|писатель|активист|активистка|редактор"
)
ORGANISATIONS = (
    "institute|institut|association|union|foundation|movement|centre|center|network|coalition|committee|council|"
    "federation|society|organisation|organization|stiftung|verein|verband|bündnis|fondation|réseau|"
    "фонд|институт|союз|ассоциация|движение|центр|комитет"
)
# These are also given names or surnames, or stand last in their language: they count at the end of a line only.
ORGANISATION_ENDS = (
    "fund|alliance|party|initiative|group|club|forum|league|gmbh|ggmbh|institutu|birliyi|assosiasiyası|fondu|"
    "hərəkatı|mərkəzi|partiyası|cəmiyyəti|şəbəkəsi|təşkilatı"
)
PREFIXES = {"anti", "non", "pro", "euro", "inter", "self", "post", "pre", "co"}  # no name ends at their hyphen

HYPHENS, LONG_DASHES, COMMAS = "-‐‑", "‒–—―−", ",;،؛"
DASHES = HYPHENS + LONG_DASHES
EDGES = COMMAS + ":|" + DASHES + " \t"
_marks = {"a comma": ",،", "a semicolon": ";؛", "a colon": ":", "a bar": "|", "a dash": DASHES}
MARKS = {character: mark for mark, characters in _marks.items() for character in characters}
OPEN, BLOT = "\x01", "\x02"

_role = rf"(?:co[{HYPHENS}]?|vice[{HYPHENS}\s]|ex[{HYPHENS}])?(?:{ROLES})(?:i|s|in)?\b"
_opening = "(?:civic|civil|former|freelance|freelancer|human|independent|investigative|political|senior)"
_comma = rf"[{COMMAS}](?!\s*(?:Jr|Sr|II|III|IV)\b)"
ROLE = re.compile(rf"\b{_role}", re.I)
CLEAR = re.compile(rf"""[“„«"']|{_role}|{_opening}\s""", re.I)
ORGANISATION_WORD = re.compile(rf"\b(?:{ORGANISATIONS})\b|\be\. ?V\.", re.I)
ORGANISATION = re.compile(
    rf"^(?:the |die |der |das )?(?:{ORGANISATIONS})\s"
    rf"|[{HYPHENS}\s](?:{ORGANISATIONS}|{ORGANISATION_ENDS}|e\. ?V\.)$"
    rf"|\s(?:{ORGANISATIONS}) (?:of|for|against|to|für|des|de|du|pour)\b",
    re.I,
)
HARD = re.compile(rf"\s[{DASHES}]+\s?|[{DASHES}]+\s|[|\t]")
SOFT = re.compile(rf"[{LONG_DASHES}]+|--+|{_comma}|(?<=\S)\s?{OPEN}{BLOT}*$", re.I)
HYPHEN = re.compile(rf"(?<=\S)[{HYPHENS}](?=\S)")
BRACKETS = re.compile(r"\([^()]*\)")
START = re.compile(rf"^(?:[•‣◦▪●○·∙*]\s*|[{DASHES}]+\s*|\(?\d{{1,5}}[.)]{{1,2}}(?:\s+|(?![\da-z]))|\d{{1,5}}\t)+")
ADDRESS = re.compile(r"https?://|\bwww\.\w", re.I)
MAIL = re.compile(r"\S@\S+\.\w")
ODD = re.compile(rf"{_comma}|[][:|()<>/&\ufffd]", re.I)


class NotAList(BadInput):
    """The text cannot be read as a list; the message is a sentence for the organiser."""


@dataclass(frozen=True)
class Entry:
    line: int  # counted from 1 over the whole file
    kind: str  # "person" or "organisation"
    name: str
    affiliation: str
    doubt: str  # empty, or why a person should look at this line
    raw: str  # the line as it was


@dataclass(frozen=True)
class _Line:
    number: int
    raw: str
    text: str
    mark: str


@dataclass(frozen=True)
class _Habit:
    """What most lines of the list do; it decides the lines that can be read in two ways."""

    dash: bool = False
    comma: bool = False
    mark: str = ""


def decode(data: bytes) -> str:
    """The text of a file in UTF-8 or in UTF-16 with a byte order mark, its line ends made plain."""
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        where = "" if wide else f"; line {len((data[: error.start] + b'?').splitlines())} cannot be read"
        raise NotAList(f"This is no text file in UTF-8 or UTF-16{where}. Save it as plain text in UTF-8.") from error
    text = "\n".join(_lines(text))
    if "\0" in text or text.startswith("{\\rtf"):
        number = text.count("\n", 0, max(text.find("\0"), 0)) + 1
        raise NotAList(f"This is no text file: line {number} holds NUL bytes or rich text. Save it as plain UTF-8.")
    return text


def split_letter(text: str, after: str) -> tuple[str, str, int]:
    """The body before the sign-off line, that line, and the number of the first line after it."""
    lines, wanted = _lines(text), _collapsed(after)
    if not wanted:
        raise NotAList("Say which sign-off line ends the letter; an empty line cannot be looked for.")
    found = [number for number, line in enumerate(lines, 1) if _collapsed(line) == wanted]
    if not found:
        raise NotAList(f"No line reads “{wanted}”.{_near(lines, wanted)}")
    if len(found) > 1:
        raise NotAList(f"“{wanted}” stands in line {found[0]} and again in line {found[1]}; it must stand once.")
    return "\n".join(lines[: found[0] - 1]).strip(), wanted, found[0] + 1


def read_entries(text: str, first_line: int = 1) -> list[Entry]:
    """The signatories in the whole text from the given line on; the lines before are only counted."""
    lines = list(_numbered(_lines(text), first_line))
    if not lines:
        raise NotAList(f"There is no name in the list (read from line {first_line} on).")
    habit, seen = _habit(lines), dict[str, int]()
    return [_entry(line, habit, seen) for line in lines]


def _lines(text: str) -> list[str]:
    # Not splitlines(): it also splits at form feeds and the like, which no editor counts as a line.
    return re.split(r"\r\n|\r|\n", text)


def _numbered(lines: list[str], first_line: int) -> Iterable[_Line]:
    if any(line.strip() for line in lines[first_line - 1 + MOST_LINES :]):
        raise NotAList(f"The list goes on after line {first_line - 1 + MOST_LINES}; {MOST_LINES:,} lines are the most.")
    for number, raw in enumerate(lines[first_line - 1 :], first_line):
        line = _clean(raw)
        if len(line) > MOST_IN_LINE:
            raise NotAList(f"Line {number} is too long for a name and an affiliation ({len(line)} characters).")
        text = START.sub("", line).strip(EDGES)
        if any(character.isalnum() for character in text):
            yield _Line(number, raw, text, MARKS.get(line[-1], ""))


def _clean(line: str) -> str:
    """The line without what cannot be seen; a tab survives, as it may be a separator."""
    return re.sub(r" ?\t\s*", "\t", re.sub(r"[^\S\t]+", " ", visible(line))).strip()


def _collapsed(line: str) -> str:
    return " ".join(_clean(line).split())


def _near(lines: list[str], wanted: str) -> str:
    bare = ["".join(c for c in line.casefold() if c.isalnum()) for line in [wanted, *lines]]
    number = bare.index(bare[0], 1) if bare[0] and bare[0] in bare[1:] else 0
    return f" Line {number} comes close: “{_collapsed(lines[number - 1])}”." if number else ""


def _habit(lines: list[_Line]) -> _Habit:
    cuts = [cut.group() for line in lines if (cut := _separator(_masked(line.text), _Habit()))]
    dashes, commas = sum(not set(DASHES).isdisjoint(cut) for cut in cuts), sum(cut in COMMAS for cut in cuts)
    mark, times = Counter(line.mark for line in lines).most_common(1)[0]
    return _Habit(2 * dashes > len(lines), 2 * commas > len(lines), mark if times > max(len(lines) / 2, 2) else "")


def _masked(text: str) -> str:
    """The text at equal length with all brackets blotted out: what stands in them separates nothing."""
    while (after := BRACKETS.sub(lambda found: OPEN + BLOT * (len(found.group()) - 1), text)) != text:
        text = after
    return text


def _separator(masked: str, habit: _Habit) -> re.Match[str] | None:
    """Where the name ends: at a spaced dash, tab or bar, else at a telling hyphen, else at a comma or bracket."""
    hard, soft = HARD.search(masked), SOFT.search(masked)
    if not hard:
        return _hyphen(masked[: soft.start()] if soft else masked, habit.dash) or soft
    if not soft or soft.start() > hard.start():
        return hard
    # "Name, Director – Institute" ends at its comma, "Surname, Given name – Director" does not.
    early = (habit.comma and soft.group() in COMMAS) or ROLE.search(masked, soft.end(), hard.start())
    return _hyphen(masked[: soft.start()], guess=False) or (soft if early else hard)


def _hyphen(head: str, guess: bool) -> re.Match[str] | None:
    """The hyphen without spaces that ends the name ("Name-Lawyer"); one inside a name is passed over."""
    for found in HYPHEN.finditer(head):
        words = head[: found.start()].split()
        if words[-1][0].islower() or words[-1].casefold() in PREFIXES:
            continue
        rest = head[found.end() :]
        affiliated = len(words) > 1 and (len(rest.split()) > 1 or any(c.isdigit() for c in rest))
        if CLEAR.match(rest) or (guess and affiliated):
            return found
    return None


def _entry(line: _Line, habit: _Habit, seen: dict[str, int]) -> Entry:
    if MAIL.search(line.text):
        raise NotAList(f"Line {line.number} holds an e-mail address. The list is published; please take it out.")
    cut = _separator(_masked(line.text), habit)
    name, affiliation = _parts(line.text, cut)
    for what, part, most in (("name", name, MOST_IN_NAME), ("affiliation", affiliation, MOST_IN_AFFILIATION)):
        if len(part) > most:
            raise NotAList(f"The {what} in line {line.number} has {len(part)} characters; {most} are the most.")
    kind = "organisation" if cut is None and ORGANISATION.search(name) else "person"
    doubts = _doubts(line.text, name, cut, kind == "person")
    if line.mark != habit.mark and line.mark:
        doubts.append(f"The line ends in {line.mark}, as if something were missing.")
    if (earlier := seen.setdefault(name, line.number)) != line.number:
        doubts.append(f"The same name stands in line {earlier}.")
    return Entry(line.number, kind, name, affiliation, " ".join(doubts), line.raw)


def _parts(text: str, cut: re.Match[str] | None) -> tuple[str, str]:
    start, end = cut.span() if cut else (len(text), len(text))
    rest = text[start:].strip()[1:-1] if cut and OPEN in cut.group() else text[end:]
    return text[:start].strip(EDGES).replace("\t", " "), rest.strip(EDGES).replace("\t", ", ")


def _doubts(text: str, name: str, cut: re.Match[str] | None, person: bool) -> list[str]:
    words, odd = name.split(), ODD.search(name)
    alien = ORGANISATION_WORD.search(name) or ROLE.search(name, len(words[0]))
    found = [
        (ADDRESS.search(text), "The line holds a web address."),
        (len(text) > LONG_LINE, f"The line is longer than {LONG_LINE} characters."),
        (len(name) > LONG_NAME, f"The name is longer than {LONG_NAME} characters."),
        (person and not cut and len(words) > 4, "Nothing shows where the name ends."),
        (cut and _guessed(cut), f"The name was ended at “{cut and cut.group()}”, which may belong to it."),
        (person and len(words) == 1, "The name is a single word."),
        (person and any(c.isdigit() for c in name), "There is a digit in the name."),
        (person and odd, f"The name holds “{odd and odd.group()}”."),
        (person and alien, f"“{alien and alien.group()}” in the name may belong to an affiliation or an organisation."),
    ]
    return [sentence for holds, sentence in found if holds]


def _guessed(cut: re.Match[str]) -> bool:
    """Whether a hyphen or dash without spaces was taken for the end of the name with little to go by."""
    rest = cut.string[cut.end() :]
    if CLEAR.match(rest) or cut.group() not in HYPHENS + "–":
        return False
    return cut.group() in HYPHENS or len(re.split(_comma, rest)[0].split()) == 1
