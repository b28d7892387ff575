"""The `letter` command. Errors are one sentence on stderr and exit 1; wrong usage exits 2."""

import importlib
import os
import sys

import click

from letter import __version__
from letter.db import AWAY
from letter.errors import Refusal

PRIVATE = 0o077
SERVING = {"serve", "demo"}


# In the order in which one meets them. Each is loaded when it is needed: a server shall carry only what serves.
COMMANDS = {
    "demo": "demo.demo",
    "init": "setup.init",
    "upgrade": "setup.upgrade_command",
    "check": "setup.check",
    "serve": "serving.serve",
    "work": "serving.work",
    "person": "people.person",
    "new": "lists.new",
    "import": "lists.import_list",
    "export": "lists.export",
    "backup": "keeping.backup",
    "restore": "keeping.restore",
    "move": "moving.move",
}


class OnDemand(click.Group):
    """Loads a command when it is run, or when all are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in reading order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, if there is one."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(".")
        found: click.Command = getattr(importlib.import_module(f"letter.commands.{module}"), name)
        return found


@click.group(cls=OnDemand)
@click.version_option(__version__)
def letter() -> None:
    """Open letters: signatures confirmed by mail, names approved by people, a list that can be trusted."""


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
