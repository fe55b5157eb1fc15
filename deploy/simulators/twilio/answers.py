"""Answers in the format that a path asks for: JSON with `.json`, else XML, as Twilio's 2010 API.

The XML's elements are named like the JSON's fields; a list's counts and URIs are attributes.
"""

from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

import orjson

from deploy.simulators.kit.http_server import Request
from deploy.simulators.twilio import resources
from deploy.simulators.twilio.validation import REFUSALS

CHALLENGE: Final = b'WWW-Authenticate: Basic realm="Twilio API"\r\n'
XML: Final = b"Content-Type: application/xml\r\n"


def prepare(request: Request) -> None:
    """Whatever answers this request is in the format of its path."""
    if request.path.startswith(f"/{resources.VERSION}/") and not request.path.endswith(".json"):
        request.content = XML


def give(request: Request, kind: str, document: dict[str, Any], *, each: str = "") -> None:
    """Answer 200 with a document; in XML `kind` names it, and `each` the rows of a list."""
    request.answer(200, written(request, kind, document, each=each))


def refuse(request: Request, code: int, *, detail: str = "", headers: bytes = b"") -> None:
    """Answer with one of Twilio's errors; `detail` is what it complains of."""
    status = REFUSALS[code][0]
    if status == 401:
        headers += CHALLENGE
    request.answer(status, fault(request, code, detail), headers)


def fault(request: Request, code: int, detail: str = "") -> bytes:
    """The body of one of Twilio's errors."""
    error = resources.error(code, request.path if code == 20404 else detail)
    return written(request, "RestException", error)


def written(request: Request, kind: str, document: dict[str, Any], *, each: str = "") -> bytes:
    """The document in the format of the request's answer."""
    if request.content is not XML:
        return orjson.dumps(document)
    attributes, inside = "", ""
    if each:
        for name, value in document.items():
            if isinstance(value, list):
                inside = "".join(f"<{each}>{_elements(row)}</{each}>" for row in value)
            else:
                attributes += f" {name.replace('_', '')}={quoteattr(_plain(name, value))}"
    else:
        inside = _elements(document)
    head = "<?xml version='1.0' encoding='UTF-8'?>\n"
    whole = f"<TwilioResponse><{kind}{attributes}>{inside}</{kind}></TwilioResponse>"
    return (head + whole).encode()


def _elements(document: dict[str, Any]) -> str:
    pieces = []
    for name, value in document.items():
        element = "".join(map(str.capitalize, name.split("_")))
        if isinstance(value, dict):
            pieces.append(f"<{element}>{_elements(value)}</{element}>")
        elif value is None:
            pieces.append(f"<{element}/>")
        else:
            pieces.append(f"<{element}>{escape(_plain(name, value))}</{element}>")
    return "".join(pieces)


def _plain(name: str, value: object) -> str:
    if value is None:
        return ""
    is_uri = name == "uri" or name.endswith("_uri") or name in ("media", "feedback", "messages")
    return str(value).replace(".json", "", 1) if is_uri else str(value)
