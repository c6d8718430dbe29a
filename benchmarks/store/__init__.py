"""What is there? The home folder: folders of runs, leases, provenance."""
