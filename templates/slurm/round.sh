#!/bin/bash
# A round after annotations came back: learn from them, score, choose the next frames and pack them up. Run this with bash where
# sbatch is: each job waits until the one before has come to its end.
set -euo pipefail

learn="$(sbatch --parsable <<'JOB'
@FINETUNE@
JOB
)"
score="$(sbatch --parsable --dependency="afterok:$learn" <<'JOB'
@SCORE@
JOB
)"
next="$(sbatch --parsable --dependency="afterok:$score" <<'JOB'
#!/bin/bash
#SBATCH --job-name=ivsqa-select
#SBATCH --time=@TIME@
#SBATCH --partition=@PARTITION@
#SBATCH --account=@ACCOUNT@
#SBATCH --requeue
#SBATCH --open-mode=append
set -e
@IVSQA@ select -n 50 --project @PROJECT@
@IVSQA@ export-for-annotation --zip --project @PROJECT@
JOB
)"
echo "finetune: job $learn; score: $score; select and export-for-annotation: $next"
