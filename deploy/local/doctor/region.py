"""The country whose national numbers a file may hold: is there one of that name?"""

from deploy.local.doctor.finding import Finding, fail, ok
from shared.domain.numbering import is_region
from shared.settings import Settings


def region(chosen: Settings) -> Finding:
    """Whether numbers of VOLLEY_DEFAULT_REGION can be read."""
    if is_region(chosen.default_region):
        return ok("region", chosen.default_region)
    return fail(
        "region",
        f"VOLLEY_DEFAULT_REGION: {chosen.default_region} is no country's two letters",
        fix="set it to one such as US or GB",
    )
