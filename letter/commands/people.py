"""`person`: who works here."""

import click
from sqlalchemy import select

from letter import accounts, letters
from letter.commands.opening import instance
from letter.links import Links
from letter.models import Membership, Person, Role


@click.group()
def person() -> None:
    """People who work here: organisers and moderators."""


@person.command()
@click.argument("email")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--letter", "slug", help="For this letter only; for every letter if left out.")
def add(email: str, role: str, slug: str | None) -> None:
    """Give somebody a role, and print a link to set a password."""
    with instance() as (settings, database), database.writing() as session:
        letter = letters.by_slug(session, slug) if slug else None
        someone = accounts.add(session, email, Role(role), letter)
        secret = None if someone.password_hash else accounts.invite(session, someone)
        session.commit()
    click.echo(f"{email} is {role} of {slug or 'every letter'}.")
    if secret:
        _print_link(Links(settings).invitation(secret))


@person.command()
@click.argument("email")
def invite(email: str) -> None:
    """Print a new link to set a password; the old password works until then."""
    with instance() as (settings, database), database.writing() as session:
        secret = accounts.invite(session, accounts.find(session, email))
        session.commit()
    _print_link(Links(settings).invitation(secret))


@person.command()
@click.argument("email")
@click.option("--undo", is_flag=True, help="Let this person in again.")
def disable(email: str, undo: bool) -> None:
    """Shut somebody out at once, on every letter."""
    with instance() as (_, database), database.writing() as session:
        act = accounts.enable if undo else accounts.disable
        act(session, accounts.find(session, email))
        session.commit()
    click.echo(f"{email} {'can sign in again' if undo else 'is shut out'}.")


@person.command("list")
def list_people() -> None:
    """List who works here, with their roles."""
    with instance() as (_, database), database.reading() as session:
        for someone in session.scalars(select(Person).order_by(Person.email)):
            roles = session.scalars(select(Membership).where(Membership.person_id == someone.id)).all()
            slugs = {letter.id: letter.slug for letter in letters.everything(session)}
            said = [f"{one.role} of {slugs[one.letter_id] if one.letter_id else 'every letter'}" for one in roles]
            shut_out = " (shut out)" if someone.disabled_at else ""
            click.echo(f"{someone.email}: {', '.join(said)}{shut_out}")


def _print_link(link: str) -> None:
    click.echo(f"Hand this link over yourself; it works once, for {accounts.INVITATION_LASTS.days} days:")
    click.echo(link)
