"""`volley demo`: the whole way of two campaigns on this machine, and the proof from the carrier's
log.
"""

from deploy.demo.run import run

__all__ = ["run"]
