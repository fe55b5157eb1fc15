"""A file of opt-outs suppresses whom it says has opted out; what is doubtful is asked or told."""

import io

import pytest

from scheduler.ingest import Reading
from scheduler.people.opt_outs import LeftOut, Number, Unreadable, open_file
from scheduler.people.opt_outs.file import Entry, OptOutFile
from shared.errors import Refused

TWILIO = (
    "From,To,Body,Status,SentDate,ApiVersion,NumSegments,ErrorCode,AccountSid,Sid,Direction,Price,"
    "PriceUnit\n"
)
OURS = "+15005550006"


def opened(
    text: str | bytes,
    *,
    phone_column: str | None = None,
    reading: Reading | None = None,
    region: str = "US",
) -> OptOutFile:
    data = text.encode() if isinstance(text, str) else text
    return open_file(
        io.BytesIO(data),
        filename="f.csv",
        region=region,
        phone_column=phone_column,
        reading=reading or Reading(),
    )


def read(text: str | bytes, **more: object) -> list[Entry]:
    return list(opened(text, **more).entries())  # type: ignore[arg-type]


def numbers(entries: list[Entry]) -> list[str]:
    return [entry.number for entry in entries if isinstance(entry, Number)]


def codes(entries: list[Entry]) -> list[str]:
    return [entry.code for entry in entries if not isinstance(entry, Number)]


def refused(text: str | bytes, **more: object) -> Refused:
    with pytest.raises(Refused) as refusal:
        read(text, **more)
    return refusal.value


def sent(from_: str, to: str, body: str, direction: str, error: str = "") -> str:
    return f'{from_},{to},"{body}",x,2026-05-01,2010-04-01,1,{error},AC0,SM0,{direction},,USD\n'


def test_twilios_log_suppresses_who_said_stop_and_nobody_else() -> None:
    log = TWILIO + "".join(
        [
            sent(OURS, "+12025550101", "Hi Ana. Reply STOP to opt out", "outbound-api"),
            sent("+12025550101", OURS, "STOP", "inbound"),
            sent("+12025550102", OURS, "Yes, see you then", "inbound"),
            sent("+12025550103", OURS, " Unsubscribe. ", "inbound"),
            sent(OURS, "+12025550103", "STOP", "outbound-reply"),
        ]
    )

    entries = read(log)

    assert numbers(entries) == ["+12025550101", "+12025550103"]
    assert codes(entries) == ["outbound", "no_stop_word", "outbound"]
    assert [e.why for e in entries if isinstance(e, Number)] == [
        "texted STOP",
        "texted Unsubscribe.",
    ]


def test_whom_twilio_refused_to_text_as_opted_out_is_suppressed_too() -> None:
    log = TWILIO + "".join(
        [
            sent(OURS, "+12025550101", "Hi", "outbound-api", "21610"),
            sent(OURS, "+12025550102", "Hi", "outbound-api", "30003"),
        ]
    )

    assert numbers(read(log)) == ["+12025550101"]


def test_a_text_that_may_ask_to_stop_in_its_own_words_is_told_and_not_guessed() -> None:
    texts = ["please stop texting me", "Remove me from your list", "wrong number", "Arrêt"]
    log = TWILIO + "".join(sent(f"+1202555010{n}", OURS, t, "inbound") for n, t in enumerate(texts))

    entries = read(log)

    assert codes(entries) == ["unclear_text"] * 4
    assert all(isinstance(entry, Unreadable) for entry in entries)


def test_who_texted_a_stop_word_and_start_is_suppressed_and_warned_of() -> None:
    log = TWILIO + sent("+12025550101", OURS, "STOP", "inbound")
    log += sent("+12025550101", OURS, "START", "inbound")
    log += sent("+12025550102", OURS, "START", "inbound")
    file = opened(log)

    entries = list(file.entries())

    assert numbers(entries) == ["+12025550101"]
    assert [(w.code, w.rows) for w in file.warnings.found()] == [("opted_in_too", [3])]


def test_a_direction_that_is_neither_in_nor_out_is_told() -> None:
    entries = read(TWILIO + sent("+12025550101", OURS, "STOP", "sideways"))

    assert codes(entries) == ["unclear_direction"]


@pytest.mark.parametrize(
    "header",
    [
        "account_id,message_id,direction,from,to,message_body,status",
        "Message ID,Account ID,Message Direction,Source TN,Destination TN,Message Text,Status",
        "message_uuid,x,message_direction,from_number,to_number,text,message_state",
        "Id,Profile,Direction,CLI,CLD,Body,Status",
        "SMS Message SID,Date Created,Direction,From,To,Body,Status",
    ],
)
def test_logs_of_other_providers_and_tools_are_read_when_they_hold_the_texts(header: str) -> None:
    log = f"{header}\n1,2,inbound,12025550101,15005550006,Stop,x\n"
    log += "1,2,outbound,15005550006,12025550102,Stop,x\n"

    assert numbers(read(log)) == ["12025550101"]


@pytest.mark.parametrize(
    "log",
    [
        "direction,from,to,status\ninbound,12025550101,15005550006,x\n",
        "from,to,body\n+12025550101,+15005550006,STOP\n",
        "Source TN,Destination TN,Message Status\n+12025550101,+15005550006,x\n",
        "Phone,Direction,Date\n+12025550101,inbound,2026-05-01\n",
    ],
)
def test_a_log_that_does_not_tell_who_said_stop_is_refused(log: str) -> None:
    assert refused(log).code == "unreadable_log"


OUR_EXPORT = "id,row,to,status,attempts,error_code,error_message,segments,encoding,sids,agent_id"


def test_a_log_of_what_went_out_suppresses_whom_twilio_refused() -> None:
    entries = read(
        "Phone,Status,Error Code\n"
        "+12025550101,failed,21610\n+12025550102,undelivered,30003\n+12025550103,delivered,\n"
    )

    assert numbers(entries) == ["+12025550101"]
    assert codes(entries) == ["outbound", "outbound"]


def test_our_own_export_suppresses_whom_twilio_refused_and_nobody_else() -> None:
    def row(number: str, status: str, code: str) -> str:
        ours = f"1,2,{number},{status},1,{code},,1,gsm7,SM1,sales"
        return f"{ours},+15005550006,STOP,x,{number},yes\n"

    log = f"{OUR_EXPORT},sender,body,created_at,phone,opted_out\n"
    log += row("+12025550101", "failed", "21610") + row("+12025550102", "delivered", "")

    assert numbers(read(log)) == ["+12025550101"]


def test_what_became_of_messages_does_not_tell_who_opted_out() -> None:
    assert refused("phone,status\n+12025550101,delivered\n").code == "unreadable_log"


def test_a_conversation_with_one_column_of_phones_is_read_as_a_log() -> None:
    log = "Phone,Direction,Message\n+12025550101,Incoming,stop\n+12025550102,Outgoing,STOP\n"

    assert numbers(read(log)) == ["+12025550101"]


def test_replies_without_a_direction_suppress_who_said_stop() -> None:
    replies = "From,Body\n+12025550101,STOP\n+12025550102,yes please\n"

    entries = read(replies)

    assert (numbers(entries), codes(entries)) == (["+12025550101"], ["no_stop_word"])


def test_texts_of_which_none_is_a_stop_word_are_asked_about() -> None:
    error = refused("phone,message\n+12025550101,Hi Ana\n+12025550102,Hi Ben\n")

    assert error.code == "unclear_texts"
    assert "message" in error.message


@pytest.mark.parametrize(
    "header",
    ["phone,mobile", "Phone,to", "number,contact", "Home phone,Cell", "phone,Work line"],
)
def test_several_columns_of_phones_are_asked_about_and_never_chosen_from(header: str) -> None:
    error = refused(f"{header}\n+12025550101,+12025550102\n+12025550103,+12025550104\n")

    assert error.code == "which_phone_column"
    assert "--phone-column" in error.message
    assert error.details["columns"] == header.split(",")


@pytest.mark.parametrize("other", ["Home phone", "Home", "work_tel", "Office (mobile)"])
def test_a_second_column_of_national_numbers_is_asked_about_by_its_name(other: str) -> None:
    error = refused(f"Mobile,{other}\n2025550101,2025550102\n")

    assert error.code == "which_phone_column"


def test_a_column_of_other_numbers_is_no_second_one() -> None:
    assert numbers(read("Mobile,Customer no\n2025550101,2025550102\n")) == ["2025550101"]


def test_the_column_that_was_named_is_taken() -> None:
    file = "phone,mobile\n+12025550101,+12025550102\n"

    assert numbers(read(file, phone_column="mobile")) == ["+12025550102"]


def test_a_column_named_like_a_phone_that_holds_none_is_no_second_one() -> None:
    assert numbers(read("phone,contact\n+12025550101,Ana\n+12025550102,Ben\n")) == [
        "+12025550101",
        "+12025550102",
    ]


def test_an_opt_out_column_decides_row_by_row() -> None:
    file = "phone,opted_out\n+12025550101,yes\n+12025550102,no\n+12025550103,maybe\n+12025550104,\n"

    entries = read(file)

    assert numbers(entries) == ["+12025550101"]
    assert codes(entries) == ["not_opted_out", "unclear_opt_out", "unclear_opt_out"]
    assert [type(entry) for entry in entries[1:3]] == [LeftOut, Unreadable]


def test_a_column_for_agreeing_runs_the_other_way() -> None:
    entries = read("phone,sms_opt_in\n+12025550101,yes\n+12025550102,no\n")

    assert numbers(entries) == ["+12025550102"]


def test_an_opt_out_column_is_honoured_beside_a_named_phone_column() -> None:
    file = "phone,mobile,DNC\n+12025550101,+12025550102,1\n+12025550103,+12025550104,0\n"

    assert numbers(read(file, phone_column="mobile")) == ["+12025550102"]


def test_a_status_late_in_the_file_counts_as_one_at_its_start_does() -> None:
    rows = "".join(f"+1202555{n:04},customer\n" for n in range(101, 301))
    entries = read(f"phone,status\n{rows}+12025550301,unsubscribed\n")

    assert numbers(entries) == ["+12025550301"]
    assert set(codes(entries)) == {"unclear_opt_out"}


@pytest.mark.parametrize(
    ("text", "reading", "found"),
    [
        ("+12025550101\n\n2025550102\n", None, ["+12025550101", "2025550102"]),
        ("\ufeff2025550101;Ana\n2025550102;Ben\n", None, ["2025550101", "2025550102"]),
        ("2025550101\n", None, ["2025550101"]),
        ("2025550101|Ana, Ben\n", Reading(delimiter="|"), ["2025550101"]),
        ("2025550101\n".encode("utf-16"), None, ["2025550101"]),
        ("2025550101,é\n".encode("cp1250"), Reading(encoding="cp1250"), ["2025550101"]),
    ],
)
def test_numbers_without_a_header_are_read(
    text: str | bytes, reading: Reading | None, found: list[str]
) -> None:
    assert numbers(read(text, reading=reading)) == found


def test_numbers_without_a_header_are_read_as_those_of_the_region() -> None:
    assert numbers(read("07400 123456\n", region="GB")) == ["07400 123456"]


def test_several_numbers_in_a_line_without_a_header_are_asked_about() -> None:
    assert refused("+12025550101,+12025550102\n").code == "which_phone_column"


def test_a_list_without_a_header_has_no_column_to_name() -> None:
    assert refused("+12025550101\n", phone_column="phone").code == "no_header"


def test_a_row_with_a_cell_too_many_is_told_and_one_that_ends_early_is_read() -> None:
    entries = read("phone,name,city\n+12025550101,Ana,Reno, NV\n+12025550102\n")

    assert numbers(entries) == ["+12025550102"]
    assert codes(entries) == ["too_many_columns"]


def test_a_reason_is_kept() -> None:
    (entry,) = read("phone,reason\n+12025550101,moved\n")

    assert isinstance(entry, Number)
    assert entry[:3] == (2, "+12025550101", "moved")


def test_people_whom_a_stray_quotation_mark_hides_in_a_row_are_told() -> None:
    entries = read(
        'phone,name,city\n+12025550101,"Ana,Reno\n+12025550102,Bo,Reno\n+12025550103,Cy 6",Reno\n'
        "+12025550104,Di,Reno\n"
    )

    assert numbers(entries) == ["+12025550104"]
    assert codes(entries) == ["open_quote"]


def test_a_number_is_read_with_the_calling_code_beside_it() -> None:
    entries = read("country_code,phone\n44,7400123456\n33,612345678\n", region="US")

    assert [entry.read() for entry in entries] == ["+447400123456", "+33612345678"]  # type: ignore[misc, union-attr]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (TWILIO + sent("+12025550101", OURS, "STOP", "inbound"), "who in “From” sent a stop word"),
        ("phone,DNC\n+12025550101,1\n", "the numbers in “phone” whose “DNC” says"),
        ("phone\n+12025550101\n", "every number in “phone”"),
        ("+12025550101\n", "every number, one a line"),
    ],
)
def test_it_says_what_the_file_was_taken_for(file: str, told: str) -> None:
    assert told in opened(file).read_as
