"""`new`, `import` and `export`: a letter and its lists, in and out."""

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from letter import exporting, importing, letters, signatures
from letter.commands.opening import instance
from letter.errors import BadInput
from letter.importing import Entry, NotAList
from letter.models import LetterState, Moderation

MOST_BYTES = 5_000_000
NOTE = "listed by the organiser"

yes = click.option("--yes", is_flag=True, help="Write without asking.")
dry_run = click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
as_json = click.option("--json", "as_json", is_flag=True, help="With --dry-run: one JSON object a line.")
a_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.command("new")
@click.argument("slug")
@a_file
@click.option("--title", required=True)
@click.option("--language", default="en", show_default=True, help="The letter's language, as a tag such as en or az.")
@click.option("--signatories-after", metavar="LINE", help="The sign-off; the lines after it are first signatories.")
@click.option("--addressees", default="", help="To whom the letter is written.")
@click.option("--moderation", type=click.Choice([m.value for m in Moderation]), default="before", show_default=True)
@click.option("--open", "is_open", is_flag=True, help="Take signatures at once; a draft otherwise.")
@yes
@dry_run
@as_json
def new(
    slug: str,
    file: Path,
    title: str,
    language: str,
    signatories_after: str | None,
    addressees: str,
    moderation: str,
    is_open: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a letter from a text file."""
    text = _read(file)
    body, sign_off, entries = text, "", list[Entry]()
    if signatories_after:
        body, sign_off, first_line = importing.split_letter(text, signatories_after)
        entries = _entries(text, first_line)
    letters.refuse_bad(slug, title=title, language=language, body=body)
    if not as_json:
        click.echo(f"“{title}”: {len(body.split())} words, signed off with: {sign_off or '(nothing)'}", err=True)
    if not _is_wanted(entries, f"Make the letter “{title}” with {_count(entries)}?", yes, dry_run, as_json):
        return
    with instance() as (settings, database), database.writing() as session:
        letter = letters.create(
            session,
            slug,
            title=title,
            language=language,
            body=body,
            sign_off=sign_off,
            addressees=addressees,
            moderation=Moderation(moderation),
        )
        if entries:
            signatures.vouch(session, letter, entries, NOTE)
        if is_open:
            letters.move(session, letter, LetterState.OPEN)
        session.commit()
    click.echo(f"{'Open' if is_open else 'Stored as a draft'}, with {_count(entries)}: {settings.base_url}/{slug}")


@click.command("import")
@click.argument("slug")
@a_file
@yes
@dry_run
@as_json
def import_list(slug: str, file: Path, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Add first signatories from a list."""
    entries = importing.read_entries(_read(file))
    if not _is_wanted(entries, f"Add {_count(entries)} to /{slug}?", yes, dry_run, as_json):
        return
    with instance() as (_, database), database.writing() as session:
        number = signatures.vouch(session, letters.by_slug(session, slug), entries, NOTE)
        session.commit()
    there = len(entries) - number
    click.echo(f"Added {number} to /{slug}.{f' {there} stood there already.' if there else ''}")


@click.command("export")
@click.argument("slug")
@click.option("--format", "name", type=click.Choice(list(exporting.WRITERS)), required=True)
def export(slug: str, name: str) -> None:
    """Write the verified list to standard output."""
    with instance() as (_, database):
        with database.writing() as session:
            exporting.note(session, letters.by_slug(session, slug), name, by=None)
            session.commit()
        with database.reading() as session:
            rows = exporting.rows(session, letters.by_slug(session, slug))
            for piece in exporting.writer(name).write(exporting.COLUMNS, rows):
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from None
    if len(data) > MOST_BYTES:
        raise BadInput(f"{file} is larger than {MOST_BYTES // 1_000_000} MB, which no list of names is.")
    return importing.decode(data)


def _entries(text: str, first_line: int) -> list[Entry]:
    try:
        return importing.read_entries(text, first_line)
    except NotAList:
        if any(line.strip() for line in text.split("\n")[first_line - 1 :]):
            raise
        return []  # a letter may start without first signatories


def _count(entries: list[Entry]) -> str:
    return "one first signatory" if len(entries) == 1 else f"{len(entries)} first signatories"


def _is_wanted(entries: list[Entry], question: str, yes: bool, dry_run: bool, as_json: bool) -> bool:
    """Show what was read, and ask; scripts say --yes, and --dry-run never writes."""
    if as_json and not dry_run:
        raise click.UsageError("--json goes with --dry-run.")
    if as_json:
        for entry in entries:
            shown = {key: getattr(entry, key) for key in ("line", "kind", "name", "affiliation", "doubt")}
            click.echo(json.dumps(shown, ensure_ascii=False))
        return False
    _show(entries)
    return not dry_run and (yes or click.confirm(question, abort=True))


def _show(entries: list[Entry]) -> None:
    table = Table("line", "name", "affiliation", "doubt", box=None, pad_edge=False)
    for entry in entries:
        table.add_row(str(entry.line), *(escape(cell) for cell in (entry.name, entry.affiliation, entry.doubt)))
    doubtful = sum(bool(entry.doubt) for entry in entries)
    console = Console(stderr=True)
    console.print(table)
    console.print(f"{_count(entries)}, {doubtful} with a doubt." if entries else "No first signatories.")
