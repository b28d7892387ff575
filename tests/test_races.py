"""Many at once: each thing happens once, nobody gets a fault for coming second, and the numbers stay right."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from letter import accounts, audit, confirmation, privacy, signatures, tally, upgrade
from letter.db import Database
from letter.models import Audit, Blocked, Letter, Membership, Outbox, Person, Role, Signature, State
from letter.tokens import Purpose
from tests import postgres
from tests.conftest import KEYS, Browser, at_the_desk, employ, submission, token

MANY = 50
AT_ONCE = 16


@pytest.fixture(autouse=True)
def away_from_the_lock(session: Session, letter: Letter) -> None:
    """On SQLite the test's own session would keep everybody waiting."""
    session.commit()


def all_at_once(what: Callable[[int], int], many: int = MANY) -> Counter[int]:
    """Do something many times at once; return how often each status came out."""
    ready = threading.Barrier(AT_ONCE)

    def one(number: int) -> int:
        if number < AT_ONCE:
            ready.wait()
        return what(number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(one, range(many)))


def pending(session: Session, letter: Letter, name: str = "Dana Ivers", email: str = "dana@example.org") -> Signature:
    found = signatures.sign(session, KEYS, letter, submission(name, email))
    session.commit()
    return found


def poster(app: Flask, path: str, page: str) -> Callable[[int], int]:
    stamp = Browser(app.test_client()).hidden(page)
    return lambda _number: app.test_client().post(path, data=stamp).status_code


def states(database: Database) -> Counter[State]:
    with database.reading() as session:
        return Counter(session.scalars(select(Signature.state).where(Signature.place.is_(None))))


def demand_right_numbers(database: Database) -> None:
    with database.writing() as session:
        assert tally.mend(session) == {}


def test_fifty_presses_of_one_button_confirm_once_and_are_all_thanked(
    app: Flask, database: Database, session: Session, letter: Letter
):
    path = f"/confirm/{token(pending(session, letter))}"
    assert all_at_once(poster(app, path, path)) == {200: MANY}
    assert states(database) == {State.CONFIRMED: 1}
    with database.reading() as reader:
        assert Counter(reader.scalars(select(Outbox.kind))) == {"confirm": 1, "confirmed": 1}
    demand_right_numbers(database)


def test_fifty_signatures_of_one_address_confirmed_at_once_leave_one(
    app: Flask, database: Database, session: Session, letter: Letter
):
    paths = [f"/confirm/{token(pending(session, letter, f'Dana {number}'))}" for number in range(MANY)]
    stamp = Browser(app.test_client()).hidden(paths[0])
    found = all_at_once(lambda number: app.test_client().post(paths[number], data=stamp).status_code)
    assert found == {200: MANY}
    assert states(database) == {State.CONFIRMED: 1, State.PENDING: MANY - 1}
    demand_right_numbers(database)


def test_confirming_and_withdrawing_at_once_ends_in_one_of_both(
    app: Flask, database: Database, session: Session, letter: Letter
):
    signature = pending(session, letter)
    confirm, mine = f"/confirm/{token(signature)}", f"/mine/{token(signature, Purpose.MINE)}"
    stamp = Browser(app.test_client()).hidden(confirm)
    paths = [confirm, f"{mine}/withdraw", f"{mine}/erase"]
    found = all_at_once(lambda number: app.test_client().post(paths[number % 3], data=stamp).status_code)
    assert set(found) <= {200, 303, 404}
    assert states(database) == {State.WITHDRAWN: 1}
    demand_right_numbers(database)


def test_fifty_times_not_me_blocks_once(app: Flask, database: Database, session: Session, letter: Letter):
    path = f"/not-me/{token(pending(session, letter), Purpose.NOT_ME)}"
    assert all_at_once(poster(app, path, path)) == {200: MANY}
    with database.reading() as reader:
        assert reader.scalar(select(func.count(Blocked.id))) == 2  # for this letter, and everywhere


def test_two_moderators_decide_about_the_same_fifty_and_each_entry_is_decided_once(
    app: Flask, database: Database, session: Session, letter: Letter
):
    for number in range(MANY):
        one = pending(session, letter, f"Dana {number}", f"d{number}@example.org")
        confirmation.confirm(session, KEYS, one)
    session.commit()
    desks = []
    for name in ("ben", "bea"):
        employ(session, f"{name}@example.org", Role.MODERATOR, letter)
        desks.append(at_the_desk(app, f"{name}@example.org"))
    entries = [f"{row.id}:{row.version}" for row in session.scalars(select(Signature).where(Signature.place.is_(None)))]
    session.rollback()
    stamps = [desk.hidden("/staff/library/queue") for desk in desks]

    def decide(number: int) -> int:
        chosen = entries[:: -1 if number % 2 else 1][number // 2 : number // 2 + 10]
        data = {**stamps[number % 2], "action": ("approve", "hold")[number % 2], "entry": chosen}
        client = app.test_client()
        client._cookies = desks[number % 2].client._cookies  # one browser, several tabs
        return client.post("/staff/library/queue", data=data).status_code

    assert set(all_at_once(decide)) <= {303, 409}
    with database.reading() as reader:
        decided = Counter(reader.scalars(select(Audit.subject).where(Audit.action.startswith("signature."))))
        assert audit.first_broken(reader) is None
    assert set(decided.values()) == {1} and len(decided) == MANY
    demand_right_numbers(database)


def test_one_person_given_roles_by_many_at_once_is_one_person(database: Database, letter: Letter):
    def give(_number: int) -> int:
        with database.writing() as session:
            accounts.add(session, "ada@example.org", Role.ORGANISER, session.get_one(Letter, letter.id))
            session.commit()
        return 1

    assert all_at_once(give) == {1: MANY}
    with database.reading() as session:
        assert [session.scalar(select(func.count(table.id))) for table in (Person, Membership)] == [1, 1]
        assert audit.first_broken(session) is None


def test_withdrawing_by_many_at_once_is_done_once(database: Database, session: Session, letter: Letter):
    signature = pending(session, letter)
    confirmation.confirm(session, KEYS, signature)
    session.commit()
    uid = signature.uid
    session.rollback()

    def leave(_number: int) -> int:
        with database.writing() as own:
            found = signatures.to_change(own, [uid]).get(uid)
            assert found
            privacy.withdraw(own, found)
            own.commit()
        return 1

    assert all_at_once(leave) == {1: MANY}
    assert states(database) == {State.WITHDRAWN: 1}
    demand_right_numbers(database)


@pytest.mark.no_database
def test_machines_that_start_at_once_upgrade_once(tmp_path_factory: pytest.TempPathFactory):
    cluster = postgres.shared.cluster
    url = cluster.create("starting", tables=False)

    def start(_number: int) -> int:
        own = Database(url)
        upgrade.run(own)
        own.close()
        return 1

    assert all_at_once(start, AT_ONCE) == {1: AT_ONCE}
    cluster.drop("starting")
