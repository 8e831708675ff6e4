"""Four processes give mixed commands in one project for a minute, and one process gives the same in turn: both come to the same.

One opens rounds, packs them up, draws and takes them in; one imports pullbacks and amends their spacing; two score a shard each,
and measure, check and look. Whatever is held up by others is given again. At the end pullbacks, annotations, rounds, scores and
tables must be the same files, byte for byte but for times; no command may have failed, no check may have found anything,
and nothing may be left.

    python benchmarks/mixed.py [--seconds 60]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from report import WORK, print_table, write_json
from shell import ivsqa

from ivsqa.io.formats.contours_csv import contours_csv_text, read_contours_csv
from ivsqa.io.project.new_project import create_project

sys.path.insert(0, str(Path(__file__).parents[1]))  # the commands are those of a test

from tests.side_by_side import LAST, SUBJECTS, at_once, content_of, in_turn, more_pullbacks
from tests.side_by_side import drawn as drawn_of

N_FRAMES, N_MORE = 30, 20
SETTINGS = {"image": {"working_size_px": 64}, "training": {"max_steps": 20}, "selection": {"min_gap_frames": 1}}


def main() -> None:
    """Work side by side, then in turn, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    material = WORK / "mixed"
    together, alone = a_study(material)
    told = at_once(together, material, options.seconds)
    in_turn(alone, material, told)
    for root in (together, alone):
        for line in (*LAST, "check"):
            ivsqa(*line.split(), project=root)
    rows = [
        [role, len(ended), sum(one.n_held_up for one in ended), sum(one.code != 0 for one in ended)]
        for role, ended in told.items()
    ]
    print_table(("who", "commands", "held up", "failed"), rows)
    for one in (one for ended in told.values() for one in ended if one.code != 0):
        print(one)
    ends = [content_of(root) for root in (together, alone)]
    different = sorted(name for name in ends[0].keys() | ends[1].keys() if ends[0].get(name) != ends[1].get(name))
    left = [path.name for path in together.glob(".*")]
    print(f"{len(ends[0])} files, {len(different)} of them different: {different[:10]}; left: {left}")
    write_json(
        "mixed", {"seconds": options.seconds, "rows": rows, "files": len(ends[0]), "different": different, "left": left}
    )
    if different or left or any(row[-1] for row in rows):
        raise SystemExit(1)


def a_study(material: Path) -> tuple[Path, Path]:
    """Return two equal studies with a model, of whose pullbacks those are scored of which rounds are opened."""
    shutil.rmtree(material, ignore_errors=True)
    ivsqa("phantom", material, "--pullbacks", 8, "--frames", N_FRAMES, "--size", 96)
    more_pullbacks(material, n=N_MORE, n_frames=N_FRAMES)
    together, alone = material / "together", material / "alone"
    create_project(together, template="coronary-ivus", name="study", settings=SETTINGS)
    few = material / "drawn.csv"
    truth = [read_contours_csv(path) for path in sorted((material / "truth").glob("*.csv"))]
    rows = [(name, index, drawn) for one in truth for name, frames in one.items() for index, drawn in frames.items()]
    few.write_text(contours_csv_text(row for row in rows if row[1] % 10 == 0), encoding="utf-8")
    files = sorted(material.glob("*.dcm"))
    ivsqa("import", *files, "--annotations", few, "--subject-from", SUBJECTS, project=together)
    ivsqa("train", project=together)
    for name in drawn_of(together):
        ivsqa("score", "--pullback", name, project=together)
    shutil.copytree(together, alone)
    return together, alone


if __name__ == "__main__":
    main()
