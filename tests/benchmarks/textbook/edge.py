"""The baseline's API: a FastAPI route that checks the signature and starts a task."""

import os
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response
from twilio.request_validator import RequestValidator

from tests.benchmarks.textbook.tasks import PUBLIC_URL, TOKEN, apply_callback

app = FastAPI()
validator = RequestValidator(TOKEN)


@app.post("/callback")
@app.post("/webhooks/twilio/status")
async def callback(request: Request) -> Response:
    """One task for each genuine callback."""
    params = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
    query = f"?{request.url.query}" if request.url.query else ""
    url = f"{PUBLIC_URL}{request.url.path}{query}"
    if not validator.validate(url, params, request.headers.get("X-Twilio-Signature", "")):
        return Response(status_code=403)
    apply_callback.delay(params["MessageSid"], params["MessageStatus"], params.get("ErrorCode"))
    return Response(status_code=204)


if __name__ == "__main__":
    import uvicorn

    port = int(os.environ["TEXTBOOK_PORT"])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
