"""`backup` and `restore`: a copy of the database, and the way back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from letter import backup as copies
from letter import config
from letter.backup import Contents, Progress
from letter.db import Database
from letter.errors import NotReady, Refusal

MEGABYTE = 1_000_000
a_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.command()
@a_file
def backup(file: Path) -> None:
    """Copy the database into FILE, while the service runs."""
    database = Database(config.load().database_url)
    try:
        if not database.is_there():
            raise NotReady("The database is not there. Run `letter init`, or check LETTER_DATABASE_URL.")
        with _progress() as progress:
            size = copies.write(database, file, progress)
    finally:
        database.close()
    click.echo(f"Backed up to {file}, {max(size / MEGABYTE, 0.1):.1f} MB. The keys are not in it: keep keys.toml, too.")


@contextmanager
def _progress() -> Iterator[Progress]:
    with click.progressbar(length=100, label="Copying", file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.update(100 * done // max(total, 1) - bar.pos)

        yield show


@click.command()
@a_file
@click.option("--yes", is_flag=True, help="Replace a database that holds letters.")
@click.option("--dry-run", is_flag=True, help="Check the backup, and change nothing.")
def restore(file: Path, yes: bool, dry_run: bool) -> None:
    """Put the backup FILE in place of the database, with the service stopped."""
    settings = config.load()
    database = Database(settings.database_url)
    try:
        is_full = copies.holds_data(database)
    finally:
        database.close()
    if is_full and not (yes or dry_run):
        raise Refusal("There are letters in the database. Say --yes to replace it by the backup.")
    contents, kept = copies.restore(settings, file, is_rehearsal=dry_run)
    _tell(contents, kept, dry_run)


def _tell(contents: Contents, kept: Path | None, dry_run: bool) -> None:
    what = f"{contents.letters} letters, {contents.signatures} signatures"
    click.echo(f"The backup is sound: {what}. Nothing was changed." if dry_run else f"Restored: {what}.")
    if contents.is_old:
        click.echo("It is of an older version: run `letter upgrade` before you start the service.")
    if kept:
        click.echo(f"The database that was here is now {kept}. Delete it when you are sure.")
    if not dry_run:
        click.echo("Everybody who works here has to sign in again. Invitations that were not used need a new link.")
