"""`python -m deploy.local.carrier` is `volley carrier`."""

import typer

from deploy.simulators.twilio.command import carrier

if __name__ == "__main__":
    typer.run(carrier)
