"""Which signals ask a program of ours to stop, and which of them it heeds.

SIGTERM always. SIGINT and SIGHUP unless our starter has set them to be ignored, as a script's
background and nohup do: then a Ctrl-C for another program, or the end of the terminal, is not ours.
"""

import signal

ASKING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def heeded() -> list[signal.Signals]:
    """Those of them that this process is to heed; asked before it sets handlers of its own."""
    return [
        number
        for number in ASKING
        if number is signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN
    ]
