"""The whole job in a browser: read, sign, open the mail, press the button, approve, see the name, export."""

import json
import re
import time
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browsing import at, chromium
from tests.mail_server import MailServer, running
from tests.serving import Server, serving

PASSWORD = "a long walk by the sea"
NAME, AFFILIATION, EMAIL = "Şəhla Ivérs-Məmmədova", "Nurse, City Hospital", "dana@example.org"


def mail_with(server: MailServer, number: int) -> str:
    """The text of the mail number `number`, once it has come."""
    end = time.monotonic() + 20
    while len(server.mails) < number:
        assert time.monotonic() < end, "the mail did not come"
        time.sleep(0.1)
    body = server.mails[number - 1].get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def link(text: str, path: str) -> str:
    found = re.search(rf"http://\S+/{path}/\S+", text)
    assert found, text
    return found[0]


def sign(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/library")
    expect(page.get_by_role("heading", level=1)).to_have_text("Open the library")
    page.get_by_label("Name", exact=False).first.fill(NAME)
    page.get_by_label("Profession or organisation").fill(AFFILIATION)
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page).to_have_url(re.compile("/library/thanks"))


def confirm(page: Page, server: Server, mails: MailServer) -> None:
    page.goto(link(mail_with(mails, 1), "confirm"))
    expect(page.get_by_text(NAME).first).to_be_visible()
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Thank you")
    page.goto(f"{server.url}/library")
    expect(page.get_by_text(NAME)).to_have_count(0)


def sign_in(page: Page, server: Server, email: str, role: str) -> None:
    said = server.run("person", "add", email, "--role", role)
    page.goto(link(said, "staff/invitation"))
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button").first.click()
    expect(page).to_have_url(f"{server.url}/staff/")


def approve(page: Page, server: Server) -> None:
    sign_in(page, server, "ben@example.org", "moderator")
    page.goto(f"{server.url}/staff/library/queue")
    page.get_by_role("button", name=re.compile("^Approve")).first.click()
    expect(page.get_by_text("approved").first).to_be_visible()
    assert page.goto(f"{server.url}/staff/library/export").status == 403  # type: ignore[union-attr]


def export(page: Page, server: Server) -> list[dict[str, str]]:
    sign_in(page, server, "ada@example.org", "organiser")
    page.goto(f"{server.url}/staff/library/export")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("JSON")).click()
    rows: list[dict[str, str]] = json.loads(Path(download.value.path()).read_text("utf-8"))
    return rows


def withdraw(page: Page, server: Server, mails: MailServer) -> None:
    page.goto(link(mail_with(mails, 2), "mine"))
    page.get_by_text("Withdraw my signature", exact=True).first.click()
    page.get_by_role("button", name=re.compile("^Withdraw")).first.click()
    page.goto(f"{server.url}/library")
    expect(page.get_by_text(NAME)).to_have_count(0)


def test_the_whole_job_from_reading_to_the_exported_list(tmp_path: Path) -> None:
    with (
        chromium() as browser,
        running(MailServer()) as mails,
        serving(tmp_path, LETTER_SMTP_URL=mails.url, LETTER_MAIL_FROM="letters@letter.example") as server,
    ):
        with at(browser, 390, javascript=False) as phone:
            sign(phone, server)
            confirm(phone, server, mails)
        with at(browser, 1280) as laptop:
            approve(laptop, server)
        with at(browser, 390, javascript=False) as phone:
            phone.goto(f"{server.url}/library")
            expect(phone.get_by_text(NAME)).to_be_visible()
        with at(browser, 1280) as laptop:
            assert [(row["name"], row["affiliation"]) for row in export(laptop, server)] == [
                ("Zelda Quist", "Teacher"),
                (NAME, AFFILIATION),
            ]
        with at(browser, 390, javascript=False) as phone:
            withdraw(phone, server, mails)
    assert mails.tos == [EMAIL, EMAIL]
