"""The `letter` command. Errors are one sentence on stderr and exit 1; wrong usage exits 2."""

import importlib
import os
import sys

import click

from letter import __version__
from letter.commands.demo import demo
from letter.commands.keeping import backup, restore
from letter.commands.lists import export, import_list, new
from letter.commands.moving import move
from letter.commands.people import person
from letter.commands.serving import serve, work
from letter.commands.setup import check, init, upgrade_command
from letter.db import AWAY
from letter.errors import Refusal

PRIVATE = 0o077
SERVING = {"serve", "demo"}


class InReadingOrder(click.Group):
    """Lists the commands in the order in which one meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names as they were added."""
        return list(self.commands)


@click.group(cls=InReadingOrder)
@click.version_option(__version__)
def letter() -> None:
    """Open letters: signatures confirmed by mail, names approved by people, a list that can be trusted."""


for command in (
    demo,
    init,
    upgrade_command,
    check,
    serve,
    work,
    person,
    new,
    import_list,
    export,
    backup,
    restore,
    move,
):
    letter.add_command(command)


def main() -> None:
    """Run the command line."""
    os.umask(PRIVATE)  # databases, mails and keys are nobody else's business
    if set(sys.argv[1:2]) & SERVING:
        importlib.import_module("letter.app")  # before the server's processes are forked, so that they share it
    try:
        letter()
    except Refusal as error:
        _fail(error.sentence if not error.advice or error.sentence != error.title else f"{error.title}. {error.advice}")
    except AWAY as error:
        _fail(f"The database cannot be used: {str(getattr(error, 'orig', error)).splitlines()[0].rstrip('.')}.")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _fail(sentence: str) -> None:
    click.echo(sentence, err=True)
    sys.exit(1)
