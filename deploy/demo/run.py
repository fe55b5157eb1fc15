"""`volley demo`: start the stack, upload two campaigns, watch them, prove them, stop the stack."""

import json
import time
from collections import Counter
from typing import Any

import requests
from rich.console import Console
from rich.table import Table

from deploy.demo import proof, sample
from deploy.local.data_dirs.data_dir import DEMO, places
from deploy.local.data_dirs.throwaway import sweep
from deploy.local.data_dirs.ties import Tie
from deploy.local.running import Stack
from deploy.local.stack import running_stack
from scheduler.cli.campaign.live_view import follow
from shared.errors import Refused
from shared.settings import Settings, settings
from shared.views.campaigns import Campaign
from shared.views.fields import of_json

#: Session starts per second of the demo's agents: those of the first campaign, those of the second.
RATES = ((5, 5, 5, 5, 4, 3, 2, 1), (5, 5, 4, 3, 2, 1))
#: Recovery in seconds instead of minutes, so that a demo can show it.
BUDGETS = {
    "VOLLEY_HTTP_TIMEOUT": "3.05,5",
    "VOLLEY_FENCE": "2",
    "VOLLEY_RECONCILE_AFTER": "8",
    "VOLLEY_RECONCILE_CHECKS": "8,14,24",
    "VOLLEY_POLL_AFTER": "8",
}
#: Recipients, unless asked for others.
ROWS = 5000
#: Beyond what the rates need: recovery, late callbacks, a slow machine.
PATIENCE = 150.0

console = Console(highlight=False, soft_wrap=True)


def run(*, rows: int | None = None, keep: bool = False) -> int:
    """Run the demo with `rows` recipients; returns the exit code. With `keep`, the stack stays
    up.
    """
    rows = rows or ROWS
    data_dir = settings().data_dir / DEMO
    sweep(DEMO, when={Tie.GONE})
    places(data_dir, made_for=DEMO)
    with running_stack(data_dir=data_dir, env=_clean_environment()) as stack:
        api = Api(stack)
        console.print(
            f"[bold]Volley[/] is up: {stack.api_url} (SIMULATED carrier {stack.carrier_url})"
        )
        campaigns, samples = _launch(api, rows)
        finished = follow(
            lambda: [
                of_json(Campaign, api.get(f"/api/campaigns/{campaign}")) for campaign in campaigns
            ],
            done=lambda: _all_ended(api, campaigns),
            seconds=rows / sum(map(sum, RATES)) + PATIENCE,
        )
        code = _conclude(api, campaigns, samples, finished=finished)
        if keep:
            console.print(f"\nAPI: {stack.api_url}/docs   key: {stack.api_key_path}")
            console.print("The stack stays up: Ctrl-C stops it.")
            _wait_for_interrupt(stack)
    return code


def _clean_environment() -> dict[str, str]:
    """No setting of this machine may lead a demo to a real database or a real carrier."""
    unset = {f"VOLLEY_{name.upper()}": "" for name in Settings.model_fields}
    return unset | BUDGETS | {"VOLLEY_ENV_FILE": "", "VOLLEY_LOG_LEVEL": "warning"}


class Api:
    """Volley's HTTP API, as any client would use it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {stack.api_key_path.read_text().strip()}"

    def get(self, path: str, **query: Any) -> Any:
        """GET a JSON document."""
        return self._read(self._session.get(self.stack.api_url + path, params=query, timeout=30))

    def post(self, path: str, **arguments: Any) -> Any:
        """POST, and read the JSON answer."""
        return self._read(self._session.post(self.stack.api_url + path, timeout=60, **arguments))

    def delete(self, path: str) -> None:
        """DELETE something."""
        self._read(self._session.delete(self.stack.api_url + path, timeout=30))

    def messages(self, campaign: int) -> list[dict[str, Any]]:
        """All messages of a campaign."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["id"] if found else 0
            page = self.get(f"/api/campaigns/{campaign}/messages", after=after, limit=1000)
            found += page["data"]
            if not page["has_more"]:
                return found

    def carrier_log(self) -> list[dict[str, Any]]:
        """Every create that reached the simulator."""
        entries: list[dict[str, Any]] = []
        after = 0
        while True:
            url = f"{self.stack.carrier_url}/log"
            page = requests.get(url, params={"after": after, "limit": 5000}, timeout=30).json()
            if not page["entries"]:
                return entries
            entries += page["entries"]
            after = page["next"]

    @staticmethod
    def _read(response: requests.Response) -> Any:
        if response.status_code >= 400:
            error = response.json()["error"]
            raise Refused(error["code"], error["message"])
        return response.json() if response.content else None


def _launch(api: Api, rows: int) -> tuple[list[int], list[sample.Sample]]:
    _forget_opt_outs(api)
    stamp = time.strftime("%m%d-%H%M%S")
    share = rows * sum(RATES[0]) // sum(map(sum, RATES))
    samples = [sample.direct(share), sample.agent(rows - share)]
    settings_of = [
        {"name": f"Appointments {stamp}", "mode": "direct", "message": sample.DIRECT},
        {
            "name": f"Recall {stamp}",
            "mode": "agent",
            "initial_prompt": "Invite them back for their yearly visit.",
        },
    ]
    campaigns = []
    for group, (file, chosen) in enumerate(zip(samples, settings_of, strict=True)):
        agents = [_agent(api, group, i, rate) for i, rate in enumerate(RATES[group])]
        answer = api.post(
            "/api/campaigns",
            files={"file": (file.filename, file.content)},
            data={"settings": json.dumps(chosen | {"agent_ids": agents, "window": "always"})},
        )
        _print_report(file, answer["report"])
        campaigns.append(answer["id"])
    for campaign in campaigns:
        api.post(f"/api/campaigns/{campaign}/launch")
    return campaigns, samples


def _forget_opt_outs(api: Api) -> None:
    """The same people opt out in every demo; the next one starts with a clean list."""
    while page := api.get("/api/suppressions", limit=500)["data"]:
        for suppression in page:
            api.delete(f"/api/suppressions/{suppression['number']}")


def _agent(api: Api, group: int, i: int, rate: int) -> str:
    name = f"{('clinic', 'recall')[group]}-{i + 1}"
    wanted = {
        "id": name,
        "provider": "twilio",
        "sessions_per_second": rate,
        "senders": [_sender(group, i)],
        "opener": {"kind": "template", "template": sample.OPENER},
    }
    try:
        api.post("/api/agents", json=wanted)
    except Refused as refused:
        if refused.code != "agent_exists":  # it is there from an earlier demo
            raise
    return name


def _sender(group: int, i: int) -> str:
    return f"+1555100{group}{i:03d}"


def _print_report(file: sample.Sample, report: dict[str, Any]) -> None:
    console.print(
        f"\n[bold]{file.filename}[/]: {report['rows']} rows in {report['encoding']}, "
        f"[green]{report['accepted']} accepted[/], [yellow]{report['rejected']} rejected[/]; "
        f"{report['segments']['total']} segments"
    )
    by_code = Counter(reject["code"] for reject in report["rejects"])
    first = {reject["code"]: reject for reject in reversed(report["rejects"])}
    for code, count in by_code.most_common():
        reject = first[code]
        console.print(
            f"  {count:3} {code:18} e.g. row {reject['row']}: {reject['reason']}", markup=False
        )


def _all_ended(api: Api, campaigns: list[int]) -> bool:
    """Whether all is final: only numbers that never answer may still be accepted or sent."""
    for campaign in campaigns:
        shown = api.get(f"/api/campaigns/{campaign}")
        waiting = sum(shown["counts"].get(status, 0) for status in ("accepted", "sent"))
        if shown["status"] != "finished" or waiting > len(sample.NEVER_ANSWER):
            return False
    open_ones = [
        message
        for campaign in campaigns
        for status in ("accepted", "sent")
        for message in api.get(f"/api/campaigns/{campaign}/messages", status=status)["data"]
    ]
    return all(message["to"][-4:] in sample.NEVER_ANSWER for message in open_ones)


def _conclude(
    api: Api, campaigns: list[int], samples: list[sample.Sample], *, finished: bool
) -> int:
    messages = [message for campaign in campaigns for message in api.messages(campaign)]
    counts = Counter(message["status"] for message in messages)
    totals = Table(title="Where everybody ended", title_justify="left")
    totals.add_column("status")
    totals.add_column("recipients", justify="right")
    for status, count in counts.most_common():
        totals.add_row(status, str(count))
    console.print(totals)
    ours = {int(message["id"]) for message in messages}
    log = [e for e in proof.read(api.carrier_log()) if e.message_id in ours]
    senders = {
        _sender(group, i): float(rate)
        for group, rates in enumerate(RATES)
        for i, rate in enumerate(rates)
    }
    rejected = sum(s.defects for s in samples)
    expected = sum(len(s.phones) for s in samples)
    verdicts = {
        f"all {expected} good rows became messages, {rejected} bad ones did not": abs(
            expected - len(messages)
        ),
        "none lost: every number was called": len(
            proof.never_called(log, [phone for s in samples for phone in s.phones])
        ),
        "none lost: every status agrees with the carrier's log": len(proof.lost(log, messages)),
        "none twice: no part was accepted more than once": len(proof.twice(log)),
        "no rate violation of any agent, in any 0.97 s": len(proof.rate_violations(log, senders)),
        "none left unknown": counts["unknown"],
        "everybody has an end, but the numbers that never answer": 0 if finished else 1,
    }
    console.print(f"\nProof, from the {len(log)} calls in the carrier's own log:")
    for sentence, wrong in verdicts.items():
        mark = "[green]✓[/]" if not wrong else f"[red]✗ {wrong}[/]"
        console.print(f"  {mark} {sentence}")
    return 0 if not any(verdicts.values()) else 1


def _wait_for_interrupt(stack: Stack) -> None:
    try:
        while stack.alive():
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("Stopping.")
