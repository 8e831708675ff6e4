#!/usr/bin/env bash
# First half of a weekly round: score what is new, choose the worst frames, write the packet to send.
#
#   examples/batch_round.sh STUDY
#   FRAMES=80 examples/batch_round.sh STUDY
#
# Run it when no round is open. Stopped half-way, look at `ivsqa status`: its last line says how to go on.
set -euo pipefail

STUDY="${1:?name the project folder}"
FRAMES="${FRAMES:-50}"          # as many as the annotator can do until next week
FORMATS="${FORMATS:-labelme}"   # labelme, csv, masks; several with blanks between them
DEVICE="${DEVICE:-auto}"        # auto, cpu, cuda or cuda:1

format_options=()
for format in $FORMATS; do
    format_options+=(--format "$format")
done

# Frames that have a score by the current model are not scored again.
ivsqa score --project "$STUDY" --top "$FRAMES" --heatmaps --device "$DEVICE"

# The choice is a pure function of scores and seed; round.yaml and selection.csv say what was chosen, and why.
ivsqa select --project "$STUDY" -n "$FRAMES"

# Without --round the newest round is meant. The zip holds no name and no DICOM header, and can be sent.
ivsqa export-for-annotation --project "$STUDY" --zip "${format_options[@]}"

ivsqa status --project "$STUDY"
