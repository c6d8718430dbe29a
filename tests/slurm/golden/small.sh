#!/bin/bash

# Parameters
#SBATCH --cpus-per-task=1
#SBATCH --job-name=iicl-pretrain
#SBATCH --no-requeue
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=/home/jobs/%j_0_log.out
#SBATCH --signal=USR2@30
#SBATCH --time=5

# setup
export PYTHONPATH=/home/code

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /home/jobs/%j_%t_log.out --kill-on-bad-exit=1 --cpus-per-task=1 PYTHON -u -m submitit.core._submit /home/jobs
