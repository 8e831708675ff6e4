#!/bin/bash
# @DOES@. Give it to the queue with: sbatch FILE
#SBATCH --job-name=ivsqa-@JOB@
#SBATCH --array=1-@SHARDS@
#SBATCH --nodes=@NODES@
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=@GPUS@
#SBATCH --cpus-per-task=@CPUS@
#SBATCH --time=@TIME@
#SBATCH --partition=@PARTITION@
#SBATCH --account=@ACCOUNT@
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@60

# A minute before the end of its time, the queue tells this script (USR1). It tells all that runs in the job (TERM), which writes down
# how far it has come and ends. Then the job goes back into the queue, and the same command goes on.
told= again=
# The number of one task of an array is also that of the whole array: by it, all tasks would be told.
job="${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
trap 'told=yes again=yes; scancel --signal=TERM "$job"' USR1
trap told=yes TERM
export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"
first="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"  @MANY@
port="$((20000 + SLURM_JOB_ID % 20000))"  @MANY@
srun @COMMAND@ &
work=$!
while :; do
    told=
    wait "$work"
    code=$?
    [ -n "$told" ] || break
done
if [ -n "$again" ] && [ "$code" -ne 0 ]; then
    scontrol requeue "$job"
fi
exit "$code"
