"""A real nginx with `deploy/nginx.conf`, its ports and folders turned to a temporary place."""

import contextlib
import datetime
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.serving import free_port

CONF = Path(__file__).resolve().parents[1] / "deploy" / "nginx.conf"
HOW = "no nginx here: apt-get install nginx-light"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def find_nginx() -> str:
    """Return the path of nginx, or skip."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not found:
        pytest.skip(HOW)
    return found


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Proxy:
    """Where nginx listens and keeps its copies."""

    folder: Path
    port: int
    plain_port: int

    def ask(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        context = ssl._create_unverified_context()  # noqa: S323 - a certificate made for this test
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def kept(self) -> set[str]:
        """The keys of all copies."""
        lines = [file.read_bytes() for file in (self.folder / "copies").rglob("*") if file.is_file()]
        return {line.partition(b"\nKEY: ")[2].partition(b"\n")[0].decode() for line in lines}


def configuration(folder: Path, upstream: int, proxy: Proxy) -> Path:
    """Write the configuration for the temporary place; every line that is changed must be there."""
    text = CONF.read_text("utf-8")
    changes = {
        "pid /run/nginx.pid;": f"pid {folder}/nginx.pid;\ndaemon off;" + ("\nuser root;" if os.geteuid() == 0 else ""),
        "http {\n": "http {\n" + "".join(f"    {one}_temp_path {folder}/{one};\n" for one in TEMPORARY),
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{upstream};",
        "/var/cache/nginx/letter": str(folder / "copies"),
        "listen 80;": f"listen 127.0.0.1:{proxy.plain_port};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{proxy.port} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        "/etc/letter/certificates": str(folder),
        "/var/www/acme": str(folder / "acme"),
    }
    for right, here in changes.items():
        assert right in text, f"nginx.conf no longer reads {right!r}"
        text = text.replace(right, here)
    path = folder / "nginx.conf"
    path.write_text(text, "utf-8")
    return path


def certify(folder: Path) -> None:
    """Write a certificate for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    pem = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(built.sign(key, hashes.SHA256()).public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    (folder / "privkey.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))


@contextlib.contextmanager
def proxying(folder: Path, upstream: int) -> Iterator[Proxy]:
    """Nginx before the service at the port `upstream`, stopped at the end."""
    nginx = find_nginx()
    folder.mkdir()
    proxy = Proxy(folder, free_port(), free_port())
    certify(folder)
    command = [
        nginx,
        "-p",
        str(folder),
        "-e",
        str(folder / "errors"),
        "-c",
        str(configuration(folder, upstream, proxy)),
    ]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait(proxy.port)
        yield proxy
    finally:
        process.terminate()
        process.wait(20)


def _wait(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("nginx did not start")
