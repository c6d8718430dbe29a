"""Where a callable runs: in this process, in local processes, on a cluster. Knows no torch."""
