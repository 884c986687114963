"""Tests of HTTP sessions against real servers on this machine: proxies, certificates, no .netrc."""

import datetime
import ipaddress
import random
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from consent.config.http_limits import time_limit
from consent.config.http_session import new_session
from consent.config.settings import Network
from consent.errors import SettingsError
from sandbox.server import Fault, Request, Response, Server

REDCAP = "http://redcap.example.org/api/"


class Echo:
    """Answers anything with a fixed text; the server it runs in remembers the requests."""

    def answer(self, request: Request) -> Response:
        return Response(body=b"answered")

    def name_of(self, request: Request) -> str:
        return request.headers["host"]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Echo()) as running:
        yield running


def test_a_plain_request_goes_through_the_proxy_that_is_set(server: Server) -> None:
    with new_session(Network(http_proxy=server.url), REDCAP) as session:
        session.get(REDCAP, timeout=5)
    assert len(server.seen("redcap.example.org")) == 1


def test_an_https_request_asks_the_proxy_that_is_set_for_a_tunnel(server: Server) -> None:
    with (
        new_session(Network(https_proxy=server.url), "https://redcap.example.org") as session,
        pytest.raises(requests.exceptions.ProxyError, match="501"),  # the stand-in builds none
    ):
        session.get("https://redcap.example.org/api/", timeout=5)


def test_this_machine_is_reached_without_the_proxy(server: Server) -> None:
    with new_session(Network(http_proxy="http://127.0.0.1:1"), server.url) as session:
        answer = session.get(server.url, timeout=5)
    assert answer.text == "answered"


@pytest.mark.parametrize(
    ("no_proxy", "url", "expected"),
    [
        (None, "https://redcap.example.org/api/", "http://proxy:1"),
        (".example.org", "https://redcap.example.org/api/", ""),
        ("10.1.0.0/16", "https://10.1.2.3/api/", ""),
        ("*", "https://redcap.example.org/api/", ""),
        ("redcap.example.org", "https://api.dropboxapi.com", "http://proxy:1"),
    ],
)
def test_no_proxy_applies_to_each_host(no_proxy: str | None, url: str, expected: str) -> None:
    network = Network(https_proxy="http://proxy:1", no_proxy=no_proxy)
    with new_session(network, "https://redcap.example.org/api/", url) as session:
        assert requests.utils.select_proxy(url, session.proxies) == expected


def test_neither_netrc_nor_a_proxy_of_the_environment_is_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login someone password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with new_session(Network(), server.url) as session:
        session.get(server.url, headers={"Authorization": "Bearer t"}, timeout=5)

    assert server.requests[0].headers["authorization"] == "Bearer t"


def test_a_certificate_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.pem"):
        new_session(Network(ca_bundle=str(tmp_path / "nowhere.pem")))


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "HTTP_PROXY"])
def test_a_proxy_without_an_address_is_named_and_not_repeated(name: str) -> None:
    network = Network(**{name.lower(): "http://somebody:passw0rd@[proxy"})
    with pytest.raises(SettingsError, match=f"{name} is not an address") as caught:
        new_session(network)
    assert "passw0rd" not in str(caught.value)


@dataclass
class Endless:
    """Redirects to an address, with a body without end; counts the pieces of 100 kB that it sent."""

    location: str
    sent: int = 0

    def answer(self, request: Request) -> Response:
        return Response(302, {"Location": self.location}, self._pieces())

    def name_of(self, request: Request) -> str:
        return ""

    def _pieces(self) -> Iterator[bytes]:
        while self.sent < 1_000:
            self.sent += 1
            yield random.randbytes(100_000)


@pytest.mark.parametrize("location", ["/elsewhere", "https://[malformed"])
@pytest.mark.parametrize("options", [{"stream": True, "allow_redirects": False}, {}])
def test_only_the_head_of_a_redirect_is_read(location: str, options: dict[str, bool]) -> None:
    with Server(Endless(location)) as server, new_session(Network(), server.url) as session:
        with session.post(server.url, timeout=5, **options) as response:
            assert (response.status_code, response.headers["Location"]) == (302, location)
        assert len(server.requests) == 1
        assert server.app.sent < 200


@pytest.mark.parametrize("at", [0, -len("answered")], ids=["head", "body"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_response_that_arrives_byte_by_byte_ends_at_the_time_limit(
    server: Server, certificate: Path, scheme: str, at: int
) -> None:
    if scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
    server.faults.append(Fault("drip", at=at, seconds=0.3))
    url, started = server.url.replace("http", scheme), time.monotonic()
    with new_session(Network(ca_bundle=str(certificate)), url) as session:
        with time_limit(0.7), pytest.raises(requests.RequestException, match="timed out"):
            session.get(url, timeout=5)
        assert time.monotonic() - started < 2
        assert session.get(url, timeout=5).text == "answered"


def write_certificate(path: Path) -> None:
    """A key and a certificate for 127.0.0.1, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hospital")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


class Quiet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        """Say nothing."""


class QuietServer(HTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that reject the certificate."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "hospital.pem"
    write_certificate(path)
    return path


@pytest.fixture
def https_url(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with QuietServer(("127.0.0.1", 0), Quiet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_hospitals_own_certificates_are_trusted_when_they_are_named(https_url: str, certificate: Path) -> None:
    with new_session(Network(ca_bundle=str(certificate)), https_url) as session:
        assert session.get(https_url, timeout=5).status_code == 204


def test_a_hospitals_own_certificates_are_not_trusted_otherwise(
    https_url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with (
        new_session(Network(), https_url) as session,
        pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        session.get(https_url, timeout=5)
