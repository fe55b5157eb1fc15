"""What hangs on a message: the files it carries, and the feedback about it."""

from deploy.simulators.kit.http_server import Request
from deploy.simulators.twilio import answers, pages, resources
from deploy.simulators.twilio.schema import OUTCOMES
from deploy.simulators.twilio.store import Feedback, Media, Message
from deploy.simulators.twilio.validation import Form
from shared import clock

FILTERS = ("DateCreated", "DateCreated<", "DateCreated>")


class Subresources:
    """The routes below one message."""

    def serve(
        self, request: Request, message: Message | None, *, part: str, file: str | None
    ) -> None:
        """Answer a request for the `part` Media or Feedback, or for one `file` of the media."""
        if message is None:
            answers.refuse(request, 20404)
            return
        match part, file, request.method:
            case "Media", None, "GET":
                self.list(request, message)
            case "Media", str(sid), "GET":
                self.fetch(request, message, sid)
            case "Media", str(sid), "DELETE":
                self.delete(request, message, sid)
            case "Feedback", None, "POST":
                self.report(request, message)
            case "Feedback", str(), _:
                answers.refuse(request, 20404)
            case _:
                answers.refuse(request, 20004)

    def list(self, request: Request, message: Message) -> None:
        """Its files, in the order in which they were given; filters DateCreated, and < and >."""
        page = pages.asked(request, FILTERS)
        if page is None:
            return
        days = pages.days(page.filters, "DateCreated")
        files = [m for m in message.media if days is None or days[0] <= m.created < days[1]]
        sids = [file.sid for file in files]
        if page.before in sids:
            end = sids.index(page.before)
            start = max(end - page.size, 0)
        else:
            start = sids.index(page.behind) + 1 if page.behind in sids else 0
            end = start + page.size
        rows = [resources.media(message, file) for file in files[start:end]]
        document = page.document("media_list", rows, more=end < len(files))
        answers.give(request, "MediaList", document, each="Media")

    def fetch(self, request: Request, message: Message, sid: str) -> None:
        """What is known of one file."""
        file = _find(message, sid)
        if file is None:
            answers.refuse(request, 20404)
        else:
            answers.give(request, "Media", resources.media(message, file))

    def delete(self, request: Request, message: Message, sid: str) -> None:
        """The file is gone; the message stays."""
        file = _find(message, sid)
        if file is None:
            answers.refuse(request, 20404)
        else:
            message.media = tuple(other for other in message.media if other is not file)
            request.answer(204, b"")

    def report(self, request: Request, message: Message) -> None:
        """`Outcome` says whether the person did what the message was to bring about."""
        outcome = Form(request.body).get("Outcome") or "confirmed"
        if outcome not in OUTCOMES:
            answers.refuse(request, 30400)
            return
        now = clock.unix()
        begun = now if message.feedback is None else message.feedback.created
        message.feedback = Feedback(outcome, begun, now)
        answers.give(request, "MessageFeedback", resources.feedback(message, message.feedback))


def _find(message: Message, sid: str) -> Media | None:
    return next((file for file in message.media if file.sid == sid), None)
