"""POST /api/campaigns: a file and its settings become a campaign.

The file is never held in memory: it is spooled to disk as it comes, then stored piece by piece.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from scheduler.campaigns import create, status
from scheduler.campaigns.settings import CampaignSettings
from scheduler.http.auth import Operator
from scheduler.http.errors import unreadable
from scheduler.http.requests import strict_json
from shared.errors import Refused
from shared.views.campaigns import Campaign

router = APIRouter(prefix="/api/campaigns", tags=["campaigns"])

_PIECE: Final = 1 << 20
_LONGEST_NAME: Final = 200
_SETTINGS_FIELD: Final = "settings"

#: The body is read by hand, for errors people can act on; this is what /docs shows of it.
_MULTIPART: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", _SETTINGS_FIELD],
                    "additionalProperties": False,  # a form of many others cannot be read
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "The recipients: CSV, XLSX or ODS with a header.",
                        },
                        _SETTINGS_FIELD: CampaignSettings.model_json_schema(),
                    },
                },
                "encoding": {_SETTINGS_FIELD: {"contentType": "application/json"}},
            }
        },
    }
}

_OTHERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The same upload was made before: its campaign.",
        "model": Campaign,
    }
}


@router.post("", status_code=201, responses=_OTHERS, openapi_extra=_MULTIPART)
async def create_campaign(request: Request, response: Response, caller: Operator) -> Campaign:
    """Upload `file` with `settings`. 201; 200 with the same campaign for the same upload again."""
    if not request.headers.get("content-type", "").casefold().startswith("multipart/form-data"):
        raise Refused(
            "unsupported_media_type",
            "Send multipart/form-data with a 'file' and, as JSON, its 'settings'.",
        )
    form = await _form(request)
    try:
        file = _file(form)
        chosen = _settings(await _settings_text(form))
        created = await run_in_threadpool(
            create.create,
            filename=_named(file),
            chunks=_pieces(file.file),
            chosen=chosen,
            actor=caller.actor,
        )
    finally:
        await form.close()
    response.status_code = 201 if created.fresh else 200
    return await run_in_threadpool(status.campaign, created.campaign_id)


async def _form(request: Request) -> FormData:
    try:
        return await request.form(max_files=2, max_fields=10)
    except HTTPException as error:
        raise Refused(
            "invalid_multipart",
            f"The form cannot be read: {error.detail.rstrip('.')}. Let your HTTP client build it.",
        ) from None


def _file(form: FormData) -> UploadFile:
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Refused(
            "file_missing", "There is no 'file': attach the CSV or XLSX with the recipients."
        )
    return file


async def _settings_text(form: FormData) -> bytes:
    """The settings, sent as a field or, as some clients do for JSON, as a file."""
    given = form.get(_SETTINGS_FIELD)
    if isinstance(given, UploadFile):
        return await given.read(_PIECE)
    if not given:
        raise Refused(
            "settings_missing",
            'There are no \'settings\': add them as JSON, such as {"name": "…", "agent_id": "…", '
            '"message": "…"}.',
        )
    return given.encode("utf-8", "surrogatepass")


def _settings(text: bytes) -> CampaignSettings:
    document = strict_json(text, called="The settings")
    try:
        return CampaignSettings.model_validate(document)
    except ValidationError as error:
        raise unreadable(error, where=_SETTINGS_FIELD) from None


def _named(file: UploadFile) -> str:
    """The file's own name, without a path and whatever cannot be stored."""
    name = (file.filename or "").replace("\x00", "").replace("\\", "/").rpartition("/")[2]
    return name.encode("utf-8", "replace").decode()[:_LONGEST_NAME] or "upload.csv"


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
