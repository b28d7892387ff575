"""A state machine over everything that people do with signatures; after each step the model and the database agree."""

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from letter import (
    clock,
    confirmation,
    listing,
    moderation,
    outbox,
    privacy,
    signatures,
    signing,
    tally,
)
from letter.db import Database
from letter.errors import Refusal
from letter.models import Audit, Display, Letter, Moderation, Outbox, Person, Post, Signature, State
from letter.moderation import Action, Choice
from tests.conftest import KEYS, make_letter, submission
from tests.model import LIVING, Model, Row

DOMAIN = "signer.example"  # people at the desk have another: their addresses are stored
ADDRESSES = st.sampled_from([f"{who}@{DOMAIN}" for who in ("a", "b", "c")])
NAMES = st.sampled_from(["Dana Ivers", "Əli Həsənov", "Zoë Quist", "Readers’ Union"])
DISPLAYS = st.sampled_from(list(Display))
PEOPLE = st.sampled_from(["ben@desk.example", "cem@desk.example"])
letters_made = itertools.count(1)


class Life(RuleBasedStateMachine):
    """Three addresses and two moderators; every act in a session of its own, as from a browser of its own."""

    database: Database  # set by the test; one for all runs, with a new letter for each
    offset: timedelta

    @initialize(mode=st.sampled_from(list(Moderation)))
    def begins(self, mode: Moderation) -> None:
        self.model, self.pages, self.versions = Model(mode), list[Choice](), dict[int, tuple[int, int]]()
        with self.database.writing() as session:
            self.letter_id = make_letter(session, f"life-{next(letters_made)}", mode).id
            session.commit()
        for who in ("a", "b"):  # two who are there from the start, so that there is something to decide
            self.signs(f"{who}@{DOMAIN}", f"First {who.upper()}", Display.PUBLIC, updates=False)
            number = max(self.model.rows)
            self.model.confirm(self.model.rows[number], clock.now())
            self.on(number, lambda session, signature: confirmation.confirm(session, KEYS, signature))
        self.everything_is_as_the_model_says()

    def acts(self, act: Callable[[Session, Letter], Any], wanted: type[Refusal] | None = None) -> Any:
        """Do one thing as a page does it; what is refused leaves nothing behind."""
        with self.database.writing() as session:
            letter = session.get_one(Letter, self.letter_id)
            try:
                result = act(session, letter)
                session.commit()
            except Refusal as refusal:
                assert type(refusal) is wanted, f"{type(refusal).__name__}, but the model says {wanted}"
                return None
            assert wanted is None, f"done, but the model says {wanted}"
            return result

    def one(self, data: st.DataObject) -> tuple[int, Row]:
        number = data.draw(st.sampled_from(sorted(self.model.rows)))
        return number, self.model.rows[number]

    def on(self, number: int, act: Callable[[Session, Signature], Any], wanted: type[Refusal] | None = None) -> None:
        self.acts(lambda session, _: act(session, session.get_one(Signature, number)), wanted)

    @rule(email=ADDRESSES, name=NAMES, display=DISPLAYS, updates=st.booleans())
    def signs(self, email: str, name: str, display: Display, updates: bool) -> None:
        filled_in = submission(name, email, display=display, wants_updates=updates)
        with self.database.reading() as session:
            ready = signing.draft(KEYS, session.get_one(Letter, self.letter_id), filled_in)
        self.database.gather(signing.put, ready)
        with self.database.reading() as session:
            number = session.scalars(select(Signature.id).where(Signature.uid == ready.signature["uid"])).one()
        self.model.rows[number] = Row(email, name, display, clock.now() + timedelta(days=signing.LINK_DAYS))

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data())
    def confirms(self, data: st.DataObject) -> None:
        number, row = self.one(data)
        wanted = self.model.confirm(row, clock.now())
        self.on(number, lambda session, signature: confirmation.confirm(session, KEYS, signature), wanted)

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), name=NAMES)
    def corrects(self, data: st.DataObject, name: str) -> None:
        number, row = self.one(data)
        wanted = self.model.correct(row, name)
        self.on(number, lambda _, signature: privacy.correct(signature, name, signature.affiliation), wanted)

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), display=DISPLAYS)
    def shows_or_hides(self, data: st.DataObject, display: Display) -> None:
        number, row = self.one(data)
        wanted = self.model.show(row, display)
        self.on(number, lambda _, signature: privacy.show_to(signature, display), wanted)

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), for_good=st.booleans())
    def leaves(self, data: st.DataObject, for_good: bool) -> None:
        number, row = self.one(data)
        (self.model.erase if for_good else self.model.withdraw)(row)
        self.on(number, privacy.erase if for_good else privacy.withdraw)

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data())
    def says_not_me(self, data: st.DataObject) -> None:
        number, row = self.one(data)
        wanted = self.model.not_me(row)
        self.on(number, lambda session, signature: privacy.not_me(session, KEYS, signature), wanted)

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data())
    def is_flagged(self, data: st.DataObject) -> None:
        number, row = self.one(data)
        if not row.is_flagged:
            row.become(row.state)
        row.is_flagged = True
        self.on(number, lambda session, signature: signatures.flag(session, signature, "hoax"))

    @rule(days=st.sampled_from([1, 7, 8]))
    def days_go_by(self, days: int) -> None:
        type(self).offset += timedelta(days=days)
        self.model.expire(clock.now())
        self.acts(lambda session, _: confirmation.expire(session))

    @rule()
    def numbers_are_added_up(self) -> None:
        self.acts(lambda session, _: tally.fold(session))

    @precondition(lambda self: self.model.rows)
    @rule()
    def a_moderator_opens_the_page(self) -> None:
        with self.database.reading() as session:
            found = session.execute(select(Signature.id, Signature.version).where(Signature.id.in_(self.model.rows)))
            self.pages += [Choice(*row) for row in found]

    @rule(data=st.data(), action=st.sampled_from(list(Action)), who=PEOPLE, is_new=st.booleans())
    def decides(self, data: st.DataObject, action: Action, who: str, is_new: bool) -> None:
        """From any page that was ever opened, however old."""
        if is_new or not self.pages:
            self.a_moderator_opens_the_page()
        chosen = data.draw(st.lists(st.sampled_from(self.pages[-8:]), min_size=1, max_size=3, unique_by=lambda c: c.id))
        fresh = [choice for choice in chosen if self.versions[choice.id][1] == choice.version]
        wanted = self.model.decide([self.model.rows[choice.id] for choice in fresh], action, who)
        self.acts(lambda s, letter: moderation.decide(s, letter, chosen, action, by=at_desk(s, who)), wanted)

    @rule(who=PEOPLE)
    def undoes(self, who: str) -> None:
        wanted = self.model.undo(who)
        self.acts(lambda session, letter: moderation.undo(session, letter, by=at_desk(session, who)), wanted)

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        with self.database.reading() as session:
            letter = session.get_one(Letter, self.letter_id)
            found = session.scalars(
                select(Signature).where(Signature.letter_id == letter.id, Signature.place.is_(None))
            )
            stored = {row.id: row for row in found}
            self._rows(stored)
            assert sorted(one.name for one in listing.others(session, letter)) == self.model.published()
            published, standing = len(self.model.published()) + 2, self.model.standing()
            assert listing.counts(session, letter) == listing.Counts(2, standing, published, standing + 2)
            self._records(session)

    def _rows(self, stored: dict[int, Signature]) -> None:
        shown = {number: (row.state, row.display, row.name) for number, row in stored.items()}
        assert shown == {number: (row.state, row.display, row.name) for number, row in self.model.rows.items()}
        living = Counter(row.email_key for row in stored.values() if row.state in LIVING)
        assert max(living.values(), default=0) <= 1
        for number, row in self.model.rows.items():
            mark, version = self.versions.get(number, (0, 0))
            assert row.mark == mark or stored[number].version > version, "it changed, and an old page would not notice"
            self.versions[number] = row.mark, stored[number].version

    def _records(self, session: Session) -> None:
        mine = Audit.letter_id == self.letter_id, Audit.action.startswith("signature.")
        assert session.scalar(select(func.count()).where(*mine)) == self.model.staff_changes
        both = select(Outbox.kind, Outbox.state, Signature.state).join(Outbox.signature)
        mails = [tuple(row) for row in session.execute(both.where(Signature.letter_id == self.letter_id))]
        confirmed = sum(row.was_confirmed for row in self.model.rows.values())
        kinds = Counter(kind for kind, _, _ in mails)
        assert (kinds[outbox.Mail.CONFIRM], kinds[outbox.Mail.CONFIRMED]) == (len(self.model.rows), confirmed)
        assert not [mail for mail in mails if mail[1] is Post.WAITING and mail[2] is State.WITHDRAWN]


def at_desk(session: Session, email: str) -> Person:
    return session.scalars(select(Person).where(Person.email == email)).one()
