"""`move`: the instance into another database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from letter import moving
from letter.commands.opening import instance
from letter.config import BadSetting
from letter.db import UNKNOWN, Database

NO_ADDRESS = (
    "TARGET_URL must be the address of an empty database, such as postgresql://user:password@host/letter"
    " or sqlite:////folder/letter.sqlite3."
)


@click.command()
@click.argument("target_url")
@click.option("--dry-run", is_flag=True, help="Look whether it could be done, and move nothing.")
def move(target_url: str, dry_run: bool) -> None:
    """Move the instance into another, empty database."""
    with instance() as (_, source), closing(_target(target_url)) as target:
        sizes = moving.sizes(source)
        moved = f"{sum(sizes.values())} rows, {sizes['signature']} signatures among them"
        if dry_run:
            moving.demand_empty(target)
            click.echo(f"{moved}, would move to {moving.shown(target.url)}.")
            return
        with _progress(sizes) as progress:
            moving.move(source, target, progress)
        click.echo(f"Moved {moved}; every table is the same on both sides.")
        click.echo(f"Now set LETTER_DATABASE_URL to {moving.shown(target.url)}, and start the service again.")


def _target(url: str) -> Database:
    try:
        return Database(url)
    except BadSetting as error:
        raise BadSetting(NO_ADDRESS if error.sentence == UNKNOWN else error.sentence) from None


@contextmanager
def _progress(sizes: dict[str, int]) -> Iterator[moving.Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("moving", total=sum(sizes.values()))
        yield lambda name, rows: bar.update(task, advance=rows, description=name)
