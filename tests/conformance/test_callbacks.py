"""What the provider reports: it carries our token, and nobody else can say it."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from shared.providers import registry
from shared.providers.base import Accepted, Forged, Receipt, Sends
from shared.providers.errors import SendError
from tests.conformance.conftest import Ear, Heard, Play
from tests.conformance.guest import LOST, Fate, Guest

TOKEN = UUID("00112233-4455-6677-8899-aabbccddeeff")
BOTH = 2  # callbacks of a text: sent, and the last word


def reported(guest: Guest, play: Play, ear: Ear, *, fate: Fate, callbacks: int) -> str | None:
    """Send one text, wait for its callbacks; the id of the message, None without an answer."""
    reports = registry.provider_named(guest.provider).reports()
    address = reports.status_callback_url(ear.public_url, message_id=12, part=3, token=TOKEN)
    text = guest.text(fate, callback=address)

    async def scene(adapter: Sends) -> Accepted | None:
        try:
            return await adapter.send(text, gate=lambda: None, wrote=lambda: None)
        except SendError:
            return None

    accepted = play(scene)
    ear.wait(callbacks)
    return accepted.sid if accepted else None


def verified(guest: Guest, ear: Ear, heard: Heard, tokens: Sequence[str]) -> Receipt:
    """As the edge does it: the address as we know it, the raw query, headers and body."""
    reports = registry.provider_named(guest.provider).reports()
    url = f"{ear.public_url}{ear.paths[0]}?{heard.query}"
    params = reports.verify(url, heard.headers, body=heard.body, tokens=tokens)
    return reports.parse(heard.query, params)


@pytest.mark.parametrize(
    ("fate", "last"), [(Fate.DELIVERED, "delivered"), (Fate.UNDELIVERED, "undelivered")]
)
def test_callbacks_name_our_attempt_and_say_our_words(
    guest: Guest, play: Play, ear: Ear, fate: Fate, last: str
) -> None:
    sid = reported(guest, play, ear, fate=fate, callbacks=BOTH)

    receipts = [verified(guest, ear, heard, guest.signing_tokens) for heard in ear.heard]

    assert [receipt.status for receipt in receipts] == ["sent", last]
    assert [receipt.error_code is not None for receipt in receipts] == [False, last != "delivered"]
    for receipt in receipts:
        assert (receipt.provider, receipt.account) == (guest.provider, guest.account)
        assert (receipt.sid, receipt.message_id, receipt.part) == (sid, 12, 3)


def test_callbacks_carry_our_token_if_the_abilities_say_so(
    guest: Guest, play: Play, ear: Ear
) -> None:
    reported(guest, play, ear, fate=Fate.DELIVERED, callbacks=BOTH)

    async def able(adapter: Sends) -> bool:
        return adapter.abilities.callbacks_carry_our_token

    tokens = {verified(guest, ear, heard, guest.signing_tokens).token for heard in ear.heard}
    assert tokens == ({TOKEN} if play(able) else {None})


@pytest.mark.parametrize("fate", LOST)
def test_a_text_of_which_the_answer_was_lost_is_reported_all_the_same(
    guest: Guest, play: Play, ear: Ear, fate: Fate
) -> None:
    reported(guest, play, ear, fate=fate, callbacks=BOTH)

    said = [verified(guest, ear, heard, guest.signing_tokens) for heard in ear.heard]
    assert ("delivered", 12, 3) in {(one.status, one.message_id, one.part) for one in said}


def test_a_callback_that_the_provider_did_not_sign_is_forged(
    guest: Guest, play: Play, ear: Ear
) -> None:
    reported(guest, play, ear, fate=Fate.FORGED, callbacks=2 * BOTH)

    genuine = [heard for heard in ear.heard if not is_forged(guest, ear, heard)]

    said = [verified(guest, ear, heard, guest.signing_tokens).status for heard in genuine]
    assert sorted(said) == ["delivered", "sent"]  # type: ignore[type-var]
    assert len(ear.heard) == 2 * BOTH


def test_a_callback_signed_for_another_account_is_forged(
    guest: Guest, play: Play, ear: Ear
) -> None:
    reported(guest, play, ear, fate=Fate.DELIVERED, callbacks=BOTH)

    for heard in ear.heard:
        assert is_forged(guest, ear, heard, guest.strange_tokens)
        assert is_forged(guest, ear, heard, ())


def test_a_callback_that_names_another_account_is_told_by_its_name(
    guest: Guest, play: Play, ear: Ear
) -> None:
    reported(guest, play, ear, fate=Fate.OTHER_ACCOUNT, callbacks=2 * BOTH)
    reports = registry.provider_named(guest.provider).reports()

    named = [reports.account_of(heard.headers, heard.body) for heard in ear.heard]

    assert [name == guest.account for name in named] == [False, True] * BOTH


def test_while_tokens_rotate_both_verify(guest: Guest, play: Play, ear: Ear) -> None:
    reported(guest, play, ear, fate=Fate.DELIVERED, callbacks=BOTH)

    for tokens in (
        [*guest.strange_tokens, *guest.signing_tokens],
        [*guest.signing_tokens, *guest.strange_tokens],
    ):
        assert not is_forged(guest, ear, ear.heard[0], tokens)


def test_a_body_of_which_one_byte_was_changed_is_forged(guest: Guest, play: Play, ear: Ear) -> None:
    reported(guest, play, ear, fate=Fate.DELIVERED, callbacks=BOTH)
    heard = ear.heard[-1]
    account = heard.body.find(guest.account.encode())

    for changed in (
        heard.body + b"x",
        heard.body[:-1],
        heard.body.replace(b"delivered", b"undelivered"),
        heard.body[:account] + b"Z" + heard.body[account + 1 :],
        b"",
    ):
        assert changed != heard.body
        assert is_forged(guest, ear, replace(heard, body=changed))


def test_a_callback_without_its_headers_is_forged(guest: Guest, play: Play, ear: Ear) -> None:
    reported(guest, play, ear, fate=Fate.DELIVERED, callbacks=BOTH)

    assert is_forged(guest, ear, replace(ear.heard[0], headers={}))


def test_a_callback_that_names_no_account_is_forged(guest: Guest) -> None:
    with pytest.raises(Forged):
        registry.provider_named(guest.provider).reports().account_of({}, b"")


def is_forged(guest: Guest, ear: Ear, heard: Heard, tokens: Sequence[str] | None = None) -> bool:
    try:
        verified(guest, ear, heard, guest.signing_tokens if tokens is None else tokens)
    except Forged:
        return True
    return False
