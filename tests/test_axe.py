"""Every page in a real browser: axe finds nothing, nothing scrolls sideways, and the keyboard alone is enough."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from letter.models import Display, Kind, Signature, State
from tests.browsing import at, chromium
from tests.conftest import PASSWORD
from tests.furnished import Site, furnished

NARROW, PHONE, LAPTOP = 320, 390, 1280


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with furnished(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stranger(browser: Browser) -> Iterator[Page]:
    with at(browser, LAPTOP) as page:
        yield page


@pytest.fixture(scope="module")
def ada(browser: Browser, site: Site) -> Iterator[Page]:
    with at(browser, LAPTOP) as page:
        page.goto(site.at("/staff/sign-in"))
        page.get_by_label("E-mail").fill("ada@example.org")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(site.at("/staff/"))
        yield page


def nothing(_page: Page) -> None:
    """Only look."""


def press(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("button", name=name).first.click()


def save_without_a_name(page: Page) -> None:
    page.get_by_label("Name").first.fill("")
    press("Save the correction")(page)


@dataclass(frozen=True)
class Visit:
    """A page, something that stands only there, and what is done first."""

    path: str
    sees: str
    act: Callable[[Page], None] = nothing
    in_the_dark: bool = False


PUBLIC = {
    "the list of letters": Visit("/", "These letters can be read and signed"),
    "the letter": Visit("/library", "And also signed by", in_the_dark=True),
    "the letter in Arabic": Visit("/library/ar", "نطلب فتح المكتبة"),
    "the letter when closed": Visit("/closed", "Signing has ended"),
    "the form with errors": Visit("/library", "Please give your e-mail address", press("Sign"), in_the_dark=True),
    "thanks": Visit("/library/thanks", "please open the mail"),
    "the names": Visit("/library/signatures", "O’Brien"),
    "the names, none found": Visit("/library/signatures?q=nobody", "No published name matches"),
    "asking to confirm": Visit("ask", "Anna Asked"),
    "confirmed": Visit("done", "Thank you", in_the_dark=True),
    "too late to confirm": Visit("late", "This link has expired"),
    "confirmed already": Visit("again", "You have signed this letter already", press("Confirm")),
    "my signature": Visit("mine", "Your signature is confirmed", in_the_dark=True),
    "my signature with errors": Visit("mine", "Please write your name", save_without_a_name),
    "my signature, withdrawn": Visit("gone", "Your signature has been withdrawn"),
    "my signature, erased": Visit("erased", "Your signature has been erased"),
    "not me": Visit("not-me", "This was not you?"),
    "not me, done": Visit("not-me-done", "There is nothing else to do", press("This was not me")),
    "no such page": Visit("/nowhere", "Error 404"),
    "signing in": Visit("/staff/sign-in", "For the people who look after letters", in_the_dark=True),
    "signing in with errors": Visit("/staff/sign-in", "Please give your password", press("Sign in")),
    "an invitation": Visit("invitation", "Choose your password"),
    "an invitation with errors": Visit("invitation", "Please choose a password", press("Set password")),
}
STAFF = {
    "home": Visit("/staff/", "Your letters"),
    "the queue": Visit("/staff/library/queue", "names, oldest first", in_the_dark=True),
    "the queue, all chosen": Visit("/staff/library/queue?choose=all", "Choose none"),
    "the queue, one decided": Visit("/staff/library/queue", "Undo", press("Approve Waiting")),
    "the queue, none chosen": Visit("/staff/library/queue", "Please choose at least one", press("Hold chosen")),
    "the queue of what is held": Visit("/staff/library/queue?lane=held", "Held 2"),
    "an empty queue": Visit("/staff/closed/queue", "Nothing waits"),
    "all signatures": Visit("/staff/library/signatures", "Newest first", in_the_dark=True),
    "a search in all signatures": Visit("/staff/library/signatures?q=nobody", "No signature fits"),
    "the export": Visit("/staff/library/export", "Export"),
    "the settings": Visit("/staff/library/settings", "When names appear"),
    "the settings of a closed letter": Visit("/staff/closed/settings", "cannot be opened again"),
    "a letter that is not there": Visit("/staff/nowhere/queue", "Error 404"),
}


def go(page: Page, site: Site, visit: Visit) -> None:
    page.set_viewport_size({"width": LAPTOP, "height": 844})
    page.goto(site.at(visit.path))
    visit.act(page)
    expect(page.get_by_text(visit.sees).first).to_be_attached()
    page.emulate_media(color_scheme="light")
    expect(page.locator("h1")).to_have_count(1)
    assert page.locator("html").get_attribute("lang") == "en"
    for width in (LAPTOP, PHONE):
        demand_no_violation(page, width)
    if visit.in_the_dark:
        page.emulate_media(color_scheme="dark")
        demand_no_violation(page, PHONE)
    page.set_viewport_size({"width": NARROW, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def demand_no_violation(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("name", list(PUBLIC))
def test_a_public_page_is_sound(stranger: Page, site: Site, name: str) -> None:
    go(stranger, site, PUBLIC[name])


@pytest.mark.parametrize("name", list(STAFF))
def test_a_staff_page_is_sound(ada: Page, site: Site, name: str) -> None:
    go(ada, site, STAFF[name])


def tab_to(page: Page, name: str, value: str = "") -> None:
    """Press Tab until the field is reached; fail if it never is."""
    wanted = page.locator(f'[name="{name}"]' + (f'[value="{value}"]' if value else ""))
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("field => field === document.activeElement"):
            return
    raise AssertionError(f"Tab does not lead to {name}")


def test_the_form_can_be_filled_in_and_sent_by_the_keyboard_alone_without_javascript(
    browser: Browser, site: Site
) -> None:
    with at(browser, PHONE, javascript=False) as page:
        page.goto(site.at("/library"))
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()
        tab_to(page, "kind", "person")
        page.keyboard.press("ArrowDown")
        for field, typed in (("name", "Karla Keys"), ("affiliation", "Pianist"), ("email", "karla@example.org")):
            tab_to(page, field)
            page.keyboard.type(typed)
        tab_to(page, "display", "public")
        page.keyboard.press("ArrowDown")
        tab_to(page, "updates")
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Sign", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/library/thanks"))
    with site.database.reading() as session:
        signed = session.scalars(select(Signature).where(Signature.name == "Karla Keys")).one()
        assert (signed.affiliation, signed.display, signed.kind) == ("Pianist", Display.RECIPIENTS, Kind.ORGANISATION)
        assert signed.wants_updates and signed.state is State.PENDING


def test_a_form_with_errors_leads_the_keyboard_to_each_wrong_field_without_javascript(
    browser: Browser, site: Site
) -> None:
    with at(browser, PHONE, javascript=False) as page:
        page.goto(site.at("/library"))
        tab_to(page, "email")
        page.keyboard.type("karla at example")
        page.keyboard.press("Enter")
        summary = page.get_by_role("alert")
        expect(summary).to_contain_text("Not sent yet")
        expect(summary).to_be_in_viewport()
        for message, field in (("Please write your name", "name"), ("does not look like an e-mail", "email")):
            summary.get_by_role("link", name=message).focus()
            page.keyboard.press("Enter")
            expect(page.locator(f"#{field}")).to_be_focused()
            expect(page.locator(f"#{field}")).to_have_accessible_description(re.compile(message))
        expect(page.locator("#email")).to_have_value("karla at example")
