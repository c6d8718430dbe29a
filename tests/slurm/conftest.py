import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the fork server's processes find the targets

from fake_slurm import fake_slurm

__all__ = ["fake_slurm"]
