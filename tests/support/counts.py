"""What this process has counted for Prometheus."""

from prometheus_client import Counter


def count(counter: Counter) -> float:
    """How far that counter has come: one without labels, or what its `labels` gave."""
    (made,) = [
        sample.value
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    ]
    return made
