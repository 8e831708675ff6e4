#!/usr/bin/env bash
# Second half of a weekly round: take in what the annotator sent back, learn from it, measure.
#
#   examples/take_back.sh STUDY RETURN READER
#
# STUDY is the project folder, RETURN the folder, zip or file that came back, READER a pseudonym of who annotated.
# Run it again as often as you like: the same return is taken once, and a training that was stopped goes on.
set -euo pipefail

STUDY="${1:?name the project folder}"
RETURN="${2:?name what came back}"
READER="${3:?say who annotated, by a pseudonym}"
ROUND="${ROUND:-}"              # such as r003; empty: the newest that was sent
DEVICE="${DEVICE:-auto}"        # auto, cpu, cuda or cuda:1

round_options=()
if [[ -n "$ROUND" ]]; then
    round_options=(--round "$ROUND")
fi

# Where something cannot be used this exits with 3 and names each frame: what is good has been taken, and the script stops so
# that you see it. Send those frames back to the annotator, or look at --repair, and run it again.
ivsqa import-annotations "$RETURN" --project "$STUDY" --reader "$READER" ${round_options[@]+"${round_options[@]}"}

# The new model is used only if it is not worse on the validation subjects; both are kept.
ivsqa finetune --project "$STUDY" --device "$DEVICE"

# On test subjects, which no model saw and no round ranked. The figures also lie in STUDY/reports/.
ivsqa evaluate --project "$STUDY" --device "$DEVICE"

ivsqa status --project "$STUDY"
