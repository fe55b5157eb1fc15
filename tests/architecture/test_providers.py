"""What one provider calls things stands in its own folders, and nowhere else."""

import re
from collections.abc import Mapping
from typing import Final

from tests.support import sources

#: Folders that are Twilio's, and the settings, which are all in one file.
OWN: Final = (
    "shared/providers/twilio/",
    "deploy/simulators/twilio/",
    "shared/settings.py",
    "shared/db/migrations/",
)

#: Its name; what it alone has (services, account SIDs, an auth token); its SIDs; its codes.
TERMS: Final = re.compile(
    r"twilio|messaging[ _-]?service|account[ _-]?sid|auth[ _-]?token"
    r"|(?-i:\b(?:MG|AC)(?:[0-9a-f]{2,}|…|\[))"
    r"|\b(?:14107|20[04]\d\d|21[2-7]\d\d|30[0-6]\d\d|630\d\d)\b",
    re.IGNORECASE,
)

#: How the command line writes the names of the API, and what it says about them.
OPTIONS: Final = {
    *("messagingservice", "messaging_service", "messaging-service", "messaging service", "mg…"),
    *("accountsid", "account_sid", "account-sid", "ac…", "authtoken", "auth_token", "auth-token"),
}
#: What still stands elsewhere, and why. It may only shrink: a word that is gone must go from here.
ELSEWHERE: Final[Mapping[str, set[str]]] = {
    # the list of folders, and the names that an agent may give
    "shared/providers/registry.py": {"twilio"},
    # a column, and an option in a column, that are there
    "scheduler/agents/store.py": {"messaging_service"},
    "shared/db/models/agents.py": {"messaging_service"},
    "shared/ledger/agents.py": {"messaging_service"},
    "shared/ledger/attempts_due.py": {"messaging_service"},
    "shared/ledger/claim_statements.py": {"messaging_service"},
    "shared/ledger/routing.py": {"messaging_service"},
    "shared/views/agents.py": {"messaging_service"},
    "shared/views/campaigns.py": {"messaging_service"},
    # names of the command line that users rely on
    "scheduler/cli/agent.py": OPTIONS,
    "scheduler/cli/check/command.py": {"twilio"},
    # the supervisor brings this simulator, and hands its address to the programs as settings
    "deploy/cli.py": {"twilio"},
    "deploy/demo/run.py": {"twilio"},
    "deploy/local/carrier/__init__.py": {"twilio"},
    "deploy/local/carrier/__main__.py": {"twilio"},
    "deploy/local/plan.py": {"twilio"},
    "deploy/local/roles.py": {"twilio", "account_sid", "account-sid", "auth_token"},
    # it examines the account in the settings; a second provider brings a doctor of its own
    "deploy/local/doctor/account.py": {"twilio", "account_sid", "auth_token", "auth token"},
    # logs that Twilio's console exports
    "scheduler/people/opt_outs/file.py": {"twilio"},
    "scheduler/people/opt_outs/message_log.py": {"twilio", "21610", "accountsid"},
    # its SDK must not log personal data
    "shared/logging.py": {"twilio"},
    # the source of a rule of the trade
    "shared/domain/graphemes.py": {"twilio"},
    "shared/domain/gsm7.py": {"twilio"},
    "shared/domain/keywords.py": {"twilio"},
    "shared/domain/numbering.py": {"twilio"},
    "shared/domain/segments.py": {"twilio"},
}


def test_a_providers_words_stand_in_its_own_folders_and_the_list_of_others_only_shrinks() -> None:
    found = {}
    for path in sources.modules():
        name = sources.name(path)
        terms = {term.lower() for term in TERMS.findall(path.read_text())}
        if terms and not name.startswith(OWN):
            found[name] = terms

    assert found == ELSEWHERE


#: Statements are written out whole, so the zone stands in each of these: test_twins.py holds each
#: to carrier_day.ZONE.
DAYS_IN_SQL: Final = {
    "shared/ledger/claim_statements.py",
    "shared/ledger/record.py",
    "shared/ledger/sender_limits.py",
    "shared/views/agents.py",
    "shared/views/campaigns.py",
    "shared/views/waiting_reasons.py",
}


def test_the_day_of_the_carriers_is_written_once_and_in_the_statements_that_count_by_it() -> None:
    found = {sources.name(p) for p in sources.modules() if "Los_Angeles" in p.read_text()}

    assert found == {"shared/domain/carrier_day.py"} | DAYS_IN_SQL


def test_nothing_is_set_on_an_error_from_outside() -> None:
    """An error is made with all its facts: whoever catches it finds them in its class."""
    setting = re.compile(r"\b(?:error|later|refusal|failure|exc) \. \w+ = (?!=)")

    found = [
        sources.name(path)
        for path in sources.modules()
        if setting.search(" ".join(re.findall(r"\w+|[^\w\s]", sources.code(path))))
    ]

    assert found == []


def test_who_sends_does_not_ask_whether_it_is_simulated() -> None:
    """The simulator's address is a setting like any other's; only people are told."""
    found = {
        sources.name(p) for p in sources.modules() if re.search(r"\. *simulated\b", sources.code(p))
    }

    assert found == {"deploy/local/plan.py", "deploy/local/doctor/account.py", "shared/settings.py"}
