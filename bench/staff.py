"""People at the desk while a letter is signed: moderators who decide, an organiser who takes the list along."""

import http.client
import re
import threading
from urllib.parse import urlencode

from bench.filling import ORGANISER, PASSWORD
from bench.serving import SLUG, Running

PAUSE_SECONDS = 0.5  # a page of names is not read faster
CHUNK = 1 << 16
SAME_SITE = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}


class Desk(threading.Thread):
    """One browser of somebody who works here."""

    def __init__(self, server: Running, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._server, self._stopping, self._cookie = server, stop, ""
        self.done = 0
        self.faults: list[str] = []

    def run(self) -> None:
        """Work until told to stop; what goes wrong is kept for the table."""
        try:
            self._sign_in()
            while not self._stopping.wait(PAUSE_SECONDS):
                self.work()
        except (OSError, http.client.HTTPException, AssertionError) as error:
            self.faults.append(f"{type(self).__name__}: {error!r}")

    def work(self) -> None:
        """Do one thing."""
        raise NotImplementedError

    def _sign_in(self) -> None:
        stamp = self._server.stamp("/staff/sign-in")
        said = self.send("/staff/sign-in", 303, email=ORGANISER, password=PASSWORD, stamp=stamp)
        self._cookie = said.partition(";")[0]

    def page(self, path: str) -> tuple[str, str]:
        """Return a page and the anti-forgery value of its forms."""
        status, _, body = self._server.get(path, Cookie=self._cookie)
        text = body.decode()
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', text)
        if status != 200 or not found:
            raise AssertionError(f"{path} was answered with {status}")
        return text, found[1]

    def send(self, path: str, *expected: int, **fields: object) -> str:
        """Send a form, read the answer to its end, and return the cookie it sets."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=120)
        try:
            headers = {**SAME_SITE, "Cookie": self._cookie}
            connection.request("POST", path, urlencode(fields, doseq=True), headers)
            answer = connection.getresponse()
            while answer.read(CHUNK):
                if self._stopping.is_set():
                    break
            if answer.status not in expected:
                raise AssertionError(f"{path} was answered with {answer.status}")
            return answer.getheader("Set-Cookie", "")
        finally:
            connection.close()


class Moderator(Desk):
    """Approves a page of names after the other."""

    def work(self) -> None:
        """Approve all that is shown."""
        text, csrf = self.page(f"/staff/{SLUG}/queue")
        entries = re.findall(r'name="entry"[^>]*value="([^"]+)"', text)
        if entries:
            # 409: somebody else at the desk was quicker with all of these.
            self.send(f"/staff/{SLUG}/queue", 303, 409, action="approve", entry=entries, csrf_token=csrf)
            self.done += len(entries)


class Organiser(Desk):
    """Takes the whole list along, again and again."""

    def work(self) -> None:
        """Export it."""
        _, csrf = self.page(f"/staff/{SLUG}/export")
        self.send(f"/staff/{SLUG}/export", 200, format="csv", csrf_token=csrf)
        self.done += 1
