"""Check addresses from users: refuse those that lead into our own network.

A name can resolve differently a second later, so the connecting code also checks its peer
(`is_public`). These checks refuse early, with a reason.
"""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from shared.errors import Refused

INTERNAL: Final = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "private")
INTERNAL_ZONES: Final = (".home.arpa", ".localdomain")

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_USERINFO: Final = re.compile(r"//[^/]*@")
_NUMBER: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
_NAT64: Final = ip_network("64:ff9b::/96")
#: All that IANA has assigned to hosts ("IPv6 Global Unicast Address Assignments"). Other addresses
#: lead to a site (fec0::/10), a translator (64:ff9b:1::/48, ::ffff:0:a.b.c.d), an old tunnel
#: (::a.b.c.d) or a router's segments (5f00::/16), even if `ipaddress` calls them global.
_UNICAST: Final = ip_network("2000::/3")
#: Special in IANA's registries, but global in the `ipaddress` of some supported Python.
_SPECIAL: Final = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20", "2002::/16"))
)
_CLOUD: Final = frozenset({ip_address("168.63.129.16")})  # Azure's host agent: public by its number


def check_public_url(url: str, *, allow_private: bool = False) -> str:
    """The URL, if we may call it. Resolves the name, so it blocks. Raises Refused.

    `allow_private` lets it reach loopback and private addresses; userinfo and other schemes
    than http and https stay refused.
    """
    parts = _split(url, schemes=("http", "https"))
    host = _ascii_host(url, parts)
    if allow_private:
        return url
    for address in _resolve(url, host):
        if not is_public(address):
            raise _refused(url, f"leads to {address}, which is not a public address")
    return url


def check_media_url(url: str) -> str:
    """The URL, if a provider may fetch it. Resolves nothing. Raises Refused.

    It must be https with a public name, because the provider fetches it: an address is refused.
    """
    parts = _split(url, schemes=("https",))
    host = _ascii_host(url, parts)
    last = host.rsplit(".", 1)[-1]
    if ":" in host or _NUMBER.fullmatch(last):
        raise _refused(url, "names an address, not a host; give a public host name")
    if "." not in host or last in INTERNAL or host.endswith(INTERNAL_ZONES):
        raise _refused(url, "names an internal host; give a public host name")
    return url


def is_public(address: str) -> bool:
    """Whether this is an IP address on the internet. False for text that is no address.

    For IPv4-mapped and NAT64 forms the embedded IPv4 address decides. 6to4 and Teredo are tunnels
    out of a private network, and never public.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        inner = _embedded(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _UNICAST:
            return False
    special = any(ip in network for network in _SPECIAL if network.version == ip.version)
    return ip.is_global and not special and not ip.is_multicast and ip not in _CLOUD


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped


def _split(url: str, *, schemes: tuple[str, ...]) -> SplitResult:
    # urlsplit drops tabs and newlines, and clients disagree about backslashes: none may be there.
    if any(c <= " " or c in "\\\x7f" for c in url):
        raise _refused(url, "contains a space, a backslash or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused(url, f"is not an address ({error})") from None
    if parts.scheme not in schemes:
        raise _refused(url, f"must begin with {' or '.join(f'{s}://' for s in schemes)}")
    if parts.username is not None or parts.password is not None:
        raise _refused(url, "carries a user name or password; leave them out")
    if not parts.hostname or port == 0:
        raise _refused(url, "names no host")
    return parts


def _ascii_host(url: str, parts: SplitResult) -> str:
    """The host in lower case ASCII, as it will be resolved; full-width characters become ASCII."""
    host = parts.hostname or ""
    if ":" in host:
        return host
    try:
        host = host.encode("idna").decode("ascii").lower().rstrip(".")
    except UnicodeError:
        raise _refused(url, "has a host that is not a valid name") from None
    if not _HOST.fullmatch(host):
        raise _refused(url, "has a host that is not a valid name")
    return host


def _resolve(url: str, host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        raise _refused(url, f"names {host}, which cannot be resolved") from None


def _refused(url: str, why: str) -> Refused:
    # Queries and userinfo may contain secrets: the message repeats neither.
    shown = _USERINFO.sub("//", url.partition("?")[0])[:60]
    return Refused("invalid_url", f"The address {shown!r} {why}.", details={"url": shown})
