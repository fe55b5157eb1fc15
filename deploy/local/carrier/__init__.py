"""The former name of `deploy.simulators.twilio`, for `python -m deploy.local.carrier`."""
