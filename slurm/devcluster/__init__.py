"""A real Slurm on one machine, for trying out and testing: several nodes, no accounting."""
