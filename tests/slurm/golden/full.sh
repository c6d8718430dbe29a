#!/bin/bash

# Parameters
#SBATCH --account=lab
#SBATCH --array=0-4%3
#SBATCH --constraint=a100
#SBATCH --cpus-per-task=8
#SBATCH --dependency=afterok:17_2:18
#SBATCH --gpus-per-node=4
#SBATCH --job-name=iicl-pretrain
#SBATCH --kill-on-invalid-dep=yes
#SBATCH --mem=100352MB
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --open-mode=append
#SBATCH --output=/home/jobs/%A_%a_0_log.out
#SBATCH --partition=gpu
#SBATCH --qos=long
#SBATCH --requeue
#SBATCH --signal=USR2@100
#SBATCH --time=90

# setup
export NCCL_DEBUG=WARN
export NOTE='two words'
export PYTHONPATH=/home/code
module load cuda

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /home/jobs/%A_%a_%t_log.out --kill-on-bad-exit=1 --cpus-per-task=8 PYTHON -u -m submitit.core._submit /home/jobs


# teardown
code=$?
# The plain id of an array's last task is that of the array.
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
job=${job:-$SLURM_JOB_ID}
killed=$([ $code -gt 128 ] && [ ${SLURM_RESTART_COUNT:-0} -lt 100 ] && echo yes)
if [ $code -eq 85 ] || [ "$killed" ]; then
  for try in 1 2 3 4 5; do
    if state=$(squeue --all --states=all --noheader --jobs=$job --format=%T); then
      # A job that was cancelled as a whole is no longer running, and stays cancelled.
      [ "$state" = RUNNING ] || break
      scontrol requeue $job && break
    fi
    sleep 5
  done
fi
exit $code