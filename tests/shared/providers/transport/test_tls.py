"""TLS: the standard library's, on warm connections, with the write still happening now."""

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.providers.transport.pool import NoConnection
from tests.shared.providers.stub import HEADERS, listener, warmed, wire


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(pem))
    return file


def test_over_tls_too_the_request_is_on_the_wire_before_the_call_returns(
    run: Callable[..., Any], certificate: Path
) -> None:
    server, url = listener()
    ours = ssl.create_default_context(cafile=str(certificate))
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)
    accepted = []

    def accept() -> None:
        peer, _ = server.accept()
        peer.settimeout(3)
        accepted.append(theirs.wrap_socket(peer, server_side=True))

    async def scene() -> Any:
        pool = wire(url.replace("http", "https"), context=ours)
        thread = threading.Thread(target=accept)
        thread.start()
        await warmed(pool)
        thread.join()
        peer = accepted[0]
        answer = pool.take().request("POST", "/now", headers=HEADERS, body=b"a=1")  # type: ignore[union-attr]
        seen = peer.recv(4096)  # blocks, as above
        peer.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok")
        response = await answer
        again = pool.take()
        await pool.close()
        peer.close()
        return seen, response, again

    with server:
        seen, response, again = run(scene())

    assert seen.startswith(b"POST /now HTTP/1.1\r\n")
    assert (response.status, response.body) == (201, b"ok")
    assert again is not None


def test_a_certificate_nobody_vouches_for_is_unreachable(
    run: Callable[..., Any], certificate: Path
) -> None:
    server, url = listener()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)

    def accept() -> None:
        peer, _ = server.accept()
        peer.settimeout(3)
        with pytest.raises(OSError):  # the client hangs up in the handshake
            theirs.wrap_socket(peer, server_side=True)
        peer.close()

    async def scene() -> None:
        pool = wire(url.replace("http", "https"))
        thread = threading.Thread(target=accept)
        thread.start()
        with pytest.raises(NoConnection, match="TLS failed"):
            await pool.connection()
        await pool.close()
        thread.join()

    with server:
        run(scene())
