"""Everything measured against its baseline or its limit, as ratios within one run."""
