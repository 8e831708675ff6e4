import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

import ivsqa
from ivsqa.cli.commands import GROUPS, LazyCommands
from ivsqa.cli.main import app
from ivsqa.cli.options import FORMAT_NAMES, SelectStrategyName, StrategyName
from ivsqa.cli.output import as_plain, count, number, percent
from ivsqa.domain.selection.plan import STRATEGIES
from ivsqa.errors import EXIT_BUG, EXIT_FINDINGS, EXIT_INTERRUPTED, EXIT_USAGE, EXIT_USER_ERROR
from ivsqa.io.project.selections import read_selection
from ivsqa.io.project.settings import PACKET_FORMATS

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "init", "import", "amend", "status", "check", "why", "train", "finetune", "evaluate", "score", "select", "simulate",
    "measure", "report", "export", "export-for-annotation", "refine", "import-annotations", "agreement", "adjudicate",
    "undo", "phantom", "demo", "audit", "accept", "slurm",
)  # fmt: skip
REPORTING = [name for name in COMMANDS if name != "init"]


def test_select_takes_every_strategy_and_review():
    assert get_args(SelectStrategyName) == (*STRATEGIES, "review")
    assert tuple(StrategyName) == STRATEGIES


@pytest.mark.skipif(os.name == "nt", reason="job scripts are for bash")
def test_a_printed_job_script_is_one_that_the_shell_takes(run, imported):
    ran = run(f"slurm round --gpus 2 --print --project {imported.root}")
    assert ran.out.startswith("#!/bin/bash\n")
    assert subprocess.run(["bash", "-n"], input=ran.out, text=True, capture_output=True, check=False).stderr == ""
    assert "�" not in ran.out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("slurm", "error: missing argument 'train|finetune|score|round'. Choose from: train, finetune, score, round\n"),
        ("score --engine x", "error: invalid value for '--engine': 'x' is not one of 'torch', 'openvino'\n"),
    ],
)
def test_a_typing_error_is_one_line(run, line, said):
    assert run(line).err.startswith(said)


def test_help_lists_every_command(run):
    ran = run("--help")
    assert ran.code == 0
    assert all(f"\n  {name} " in ran.out for name in COMMANDS)


def test_help_lists_commands_by_group_and_lines_them_up(run):
    lines = run("--help").out.splitlines()
    headings = [line.removesuffix(":") for line in lines if line.removesuffix(":") in GROUPS]
    assert headings == ["Study", "Learning", "Rounds", "Readers", "Accepting", "Results", "Cluster", "Try it"]
    rows = [line for line in lines if line.startswith("  ") and line.split()[0] in COMMANDS]
    assert len(rows) == len(COMMANDS)
    assert len({line.index(line.split(maxsplit=1)[1]) for line in rows}) == 1


def test_a_command_is_imported_only_when_it_is_called():
    code = (
        "import sys, contextlib\nfrom ivsqa.cli.main import app\n"
        "with contextlib.suppress(SystemExit):\n    app(['select', '--help'])\n"
        "sys.stderr.write(' '.join(name for name in sys.modules if name.startswith('ivsqa.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = {name.removeprefix("ivsqa.cli.") for name in done.stderr.split()}
    assert modules == {"main", "commands", "layout", "options", "output", "progress", "select"}


def test_a_name_that_is_no_command_is_not_looked_for_on_disk():
    commands = LazyCommands()
    assert commands.get("options") is None
    assert commands.get("import_") is None
    assert len(commands) == len(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run, command):
    ran = run(f"{command} -h")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Usage: ")
    assert ("--json" in ran.out) == (command in REPORTING)


def test_every_command_is_tested_here():
    assert set(LazyCommands()) == set(COMMANDS)


def test_help_names_every_packet_format():
    assert f"{', '.join(PACKET_FORMATS[:-1])} or {PACKET_FORMATS[-1]}" == FORMAT_NAMES


def test_the_version_is_printed(run):
    assert run("--version").out == f"ivsqa {ivsqa.__version__}\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Usage"),
        ("statsu", "no such command 'statsu'"),
        ("init", "missing argument"),
        ("select", "missing option"),
        ("select -n 0", "invalid value for '-n'"),
        ("select -n 5 --strategy best", "'best' is not one of"),
        ("select -n 5 --split all", "'all' is not one of"),
        ("score --top -1", "invalid value for '--top'"),
        ("train --steps many", "invalid value for '--steps'"),
        ("status --no-such-option", "no such option"),
        ("phantom x --size 32", "invalid value for '--size'"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(run, line, said):
    ran = run(line)
    assert ran.code == EXIT_USAGE
    assert said in ran.err
    # As all errors begin, whoever found them, and with a command that says how it is written.
    assert not line or re.fullmatch(r"error: [a-z'].*[^.]\n  mend: ivsqa[a-z ]* --help\n", ran.err)


@pytest.mark.parametrize(
    "line",
    ["status", "check", "why a:1", "import .", "train", "finetune", "evaluate", "score", "select -n 5", "export-for-annotation",
     "refine --nudges x.csv", "import-annotations .", "export x --format nnunet", "agreement", "adjudicate", "undo a:1",
     "amend a --undo --by a --why b",
     "audit -n 5", "accept", "slurm train"],
)  # fmt: skip
def test_outside_a_project_every_command_says_how_to_get_into_one(run, inside, tmp_path, line):
    inside(tmp_path)
    ran = run(line)
    assert (ran.code, ran.out) == (EXIT_USER_ERROR, "")
    assert "error: " in ran.err
    assert "no project.yaml here or in a folder above" in ran.err
    assert "  mend: " in ran.err
    assert "ivsqa init" in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "said", "mend"),
    [
        ("why S01-P1", "'S01-P1' is not the name of a frame", "PULLBACK:FRAME"),
        ("why S01-P1:99", "frames 0 to 9, not 99", ""),
        ("train", "no frame of a training subject is annotated", "ivsqa select"),
        ("finetune", "there is no model yet", "ivsqa train"),
        ("evaluate", "there is no model yet", "ivsqa train"),
        ("score --model m009", "no model 'm009'", "there is none yet: ivsqa train"),
        ("select -n 5 --strategy sqa", "there is no model yet", "ivsqa train"),
        ("select -n 5 --split test --strategy sqa", "never chosen by what a model says", "--strategy stratified"),
        ("select -n 5 --strategy random --pullback S99", "no pullback 'S99'", "S01-P1"),
        ("why S99:3", "no pullback 'S99' in this project", "there are: S01-P1"),
        ("why S01-P9:3", "no pullback 'S01-P9' in this project", "did you mean S01-P1?"),
        ("accept --withdraw c9", "no certificate 'c9' in this project", "there is none yet: ivsqa accept"),
        ("export-for-annotation", "there is no round yet", "ivsqa select"),
        ("refine --nudges x.csv", "no packet was exported yet", "ivsqa export-for-annotation"),
        ("import-annotations .", "no packet was exported yet", "ivsqa export-for-annotation"),
        ("adjudicate", "no frame is in dispute", "export-for-annotation --reader"),
        ("undo S01-P1:3", "nothing of S01-P1:3 can be taken back", "ivsqa why"),
        ("undo r009", "no round 'r009'", "ivsqa select -n 50"),
        ("agreement --round r009", "no round 'r009'", "ivsqa select -n 50"),
        ("simulate", "at least three", "import masks"),
        ("simulate --ladder 0,5", "'0,5' is no list of percentages", "1,2,4"),
        ("simulate --shard 3/2", "'3/2' is no part of a whole", "2/8"),
        ("score --shard 0/2", "'0/2' is no part of a whole", "2/8"),
        ("slurm score --partition 'a b'", "'a b' is no partition of a queue", "without blanks"),
        ("score --shard auto", "no task of an array of jobs", "--shard 2/8"),
        ("simulate --name ../x", "'../x' is no name of a folder", "letters"),
        ("import . --subject-from (", "not a regular expression", "(?P<subject>"),
    ],
)
def test_a_command_at_the_wrong_moment_says_what_comes_first(run, inside, imported, line, said, mend):
    inside(imported.root)
    ran = run(line)
    assert ran.code == EXIT_USER_ERROR
    assert said in ran.err
    assert mend in ran.err
    assert ran.out == ""


def test_an_unknown_template_lists_those_there_are(run, tmp_path):
    ran = run("init", tmp_path / "study", "--template", "coronary")
    assert ran.code == EXIT_USER_ERROR
    assert "coronary-ivus, lumen-only, oct-lumen" in ran.err


def test_spacing_that_cannot_be_meant_is_a_usage_error(run, imported, phantoms):
    for text in ("wide", "0", "1,2,3", "-0.02"):
        ran = run("import", phantoms.folder, "--project", imported.root, f"--spacing-mm={text}")
        assert ran.code == EXIT_USAGE
        assert "0.02,0.025 for x,y" in ran.err


def test_a_project_can_be_named_from_anywhere(run, inside, imported, tmp_path):
    inside(tmp_path)
    assert run("status", "--project", imported.root).code == 0


def test_a_misspelt_setting_is_named_with_file_line_and_mend(run, imported):
    path = imported.layout.settings
    path.write_text(path.read_text().replace("max_steps:", "max_step:"))
    ran = run("status", "--project", imported.root)
    assert ran.code == EXIT_USER_ERROR
    assert f"{path}, line " in ran.err
    assert "did you mean `max_steps`?" in ran.err


STATUS_KEYS = {"version", "n_subjects", "n_pullbacks", "n_frames", "n_annotated", "current_model", "rounds"}
SQA_KEYS = {"pearson", "spearman", "mae", "auroc", "error_map_auprc", "entropy_auprc", "entropy_spearman"}


def test_status_as_json_has_its_fixed_keys(run, scored):
    answer = run("status", "--json", "--project", scored.root).answer
    assert set(answer) >= STATUS_KEYS
    assert (answer["n_subjects"], answer["n_pullbacks"], answer["n_frames"]) == (7, 8, 80)
    assert answer["n_annotated"] == {"train": 6, "validation": 3, "test": 3}
    assert answer["current_model"] == "m001"
    assert answer["rounds"][0] == {"round_id": "r001", "state": "imported", "n": 6, "n_back": 6}


def test_status_names_shards_that_are_missing_as_the_queue_takes_them(run, scored):
    for pullback_id in ("S01-P1", "S05-P1"):
        for path in (scored.layout.scores("m001") / pullback_id).glob("frames-*.parquet"):
            path.unlink()
    out = run("status", "--shards", "8", "--project", scored.root).out
    assert "scored 6 of 8 pullbacks; missing: S01-P1, S05-P1\n" in out
    numbers = re.search(r"missing shards of score: (\d),(\d); on a cluster: sbatch --array=\1,\2\n", out)
    assert numbers is not None


def test_import_as_json_has_its_fixed_keys(run, imported, phantoms, tmp_path):
    (tmp_path / "bad.dcm").write_bytes(b"nothing")
    options = ["--project", imported.root, "--subject-from", r"(?P<pullback>(?P<subject>S\d+)-P\d+)", "--json"]
    ran = run("import", phantoms.folder, tmp_path / "bad.dcm", *options)
    assert ran.code == EXIT_USER_ERROR
    assert {"imported", "unchanged", "failed"} <= set(ran.answer)
    assert ran.answer["imported"] == []
    assert len(ran.answer["unchanged"]) == 8
    assert ran.answer["failed"][0]["path"] == str(tmp_path / "bad.dcm")
    assert set(ran.answer["failed"][0]) == {"path", "error"}
    assert "1 failure; what could be read is in the project" in ran.err


def test_score_select_export_and_import_as_json_have_their_fixed_keys(run, scored, phantoms):
    at = ["--project", scored.root, "--json"]
    answer = run("score", "--top", "3", *at).answer
    assert {"model_id", "n_scored", "n_reused", "seconds", "frames"} <= set(answer)
    assert (answer["n_scored"], answer["n_reused"]) == (0, 80)
    assert [frame["rank"] for frame in answer["frames"]] == [1, 2, 3]
    assert set(answer["frames"][0]) == {"rank", "pullback_id", "frame_index", "quality", "worst", "dice", "n_regions"}

    answer = run("select", "-n", "3", *at).answer
    assert {"round_id", "strategy", "frames"} <= set(answer)
    assert set(answer["frames"][0]) == {"pullback_id", "frame_index", "quality", "reason"}

    answer = run("export-for-annotation", *at).answer
    assert {"round_id", "packet", "formats", "n_frames"} <= set(answer)
    assert (answer["round_id"], answer["formats"], answer["n_frames"]) == ("r004", ["page", "labelme"], 3)

    phantoms.annotate(Path(answer["packet"]))
    # A network that learnt for seconds draws lumens beyond their EEM, and the annotator leaves small errors.
    answer = run("import-annotations", answer["packet"], "--reader", "anna", "--repair", *at).answer
    fixed = {"round_id", "n_untouched", "n_edited", "n_new", "n_deleted", "rejected", "edit_mm"}
    assert fixed <= set(answer)
    assert answer["n_untouched"] + answer["n_edited"] == 6
    assert set(answer["edit_mm"]) == {"mean", "p95"}
    assert answer["rejected"] == []


def test_readers_are_compared_settled_and_taken_back(run, scored, phantoms):
    at = ["--project", scored.root]
    run("select", "-n", "3", "--strategy", "random", *at)
    for seed, reader in enumerate(("anna", "ben")):
        packet = run("export-for-annotation", "--reader", reader, "--json", *at).answer["packet"]
        phantoms.annotate(Path(packet), seed=seed)
        last = run("import-annotations", packet, "--reader", reader, *at)
    assert "3 frames read by several and not settled" in last.out
    assert last.out.endswith("next: ivsqa agreement, then ivsqa adjudicate --round r004\n")

    shown = run("agreement", "--csv", scored.root / "reports/agreement.csv", *at)
    assert shown.out.startswith("3 frames read by several, 3 of them not settled\n")
    assert max(map(len, shown.out.splitlines()[:-2])) <= 80
    assert len((scored.root / "reports/agreement.csv").read_text().splitlines()) == 1 + 3 * 2
    status = run("status", *at).out
    assert "(anna imported, ben imported)" in status
    assert "next: settle 3 frames that several read: ivsqa adjudicate" in status

    assert "not written: --dry-run" in run("adjudicate", "--dry-run", *at).out
    assert "next: ivsqa adjudicate --reader NAME" in run("adjudicate", "--tolerance-mm", "0.001", *at).out
    sent = run("adjudicate", "--tolerance-mm", "0.001", "--reader", "carl", "--zip", *at).out
    assert "r004: 0 frames settled within 0.001 mm, 3 left" in sent
    assert "packet-r004-carl.zip" in sent
    assert "when carl sent theirs back" in run("adjudicate", "--tolerance-mm", "0.001", *at).out
    assert "next: ivsqa status" in run("adjudicate", "--tolerance-mm", "5", *at).out
    key = next(f"{one.pullback_id}:{one.frame_index}" for one in read_selection(scored.layout.selection("r004")))
    why = run("why", key, *at).out
    assert "agreed by consensus, adjudicate, within 5 mm" in why
    assert "the reference" in why

    taken = run("undo", "r004", "--reader", "consensus", *at).out
    assert "3 frames taken back" in taken
    assert "in dispute between readers" in run("why", key, *at).out
    again = run("undo", "r004", "--reader", "consensus", "--redo", *at).out
    assert "3 frames done again" in again


def test_a_reader_is_compared_with_themselves(run, scored, phantoms):
    at = ["--project", scored.root]
    run("select", "-n", "3", "--strategy", "random", *at)
    phantoms.annotate(Path(run("export-for-annotation", "--json", *at).answer["packet"]))
    run("import-annotations", scored.root / "rounds/r004/packet", "--reader", "reader-1", *at)
    sent = run("export-for-annotation", "--repeats", "reader-1", "-n", "2", *at).out
    assert "wrote 2 frames" in sent
    assert "next, when it comes back: ivsqa import-annotations PATH --reader reader-1-2" in sent
    packet = scored.root / "rounds/r004/packet-reader-1-2"
    phantoms.annotate(packet, seed=1)
    back = run("import-annotations", packet, "--reader", "reader-1-2", *at).out
    assert "2 frames read again by reader-1, to be compared\n" in back
    assert back.endswith("next: ivsqa agreement --round r004\n")
    shown = run("agreement", *at).out
    assert shown.startswith("0 frames read by several, 0 of them not settled\n2 frames read twice by one reader\n")
    assert "reader-1, reader-1-2" in shown
    assert max(map(len, shown.splitlines()[:-1])) <= 80
    frame = next((packet / "images").iterdir()).stem
    assert "read again, to be compared with reader-1" in run("why", frame, *at).out
    refused = run("export-for-annotation", "--reader", "ben", "-n", "2", *at)
    assert refused.code == 3


def test_a_project_that_one_person_reads_has_nothing_to_compare(run, started):
    assert run("agreement", "--project", started.root).out == "0 frames read by several, 0 of them not settled\n"


def test_evaluate_as_json_has_its_fixed_keys(run, trained):
    answer = run("evaluate", "--device", "cpu", "--json", "--project", trained.root).answer
    assert {"model_id", "split", "n_frames", "segmentation", "sqa"} <= set(answer)
    assert set(answer["segmentation"]) == {"lumen", "eem"}
    assert {"dice", "jaccard", "hd95_mm", "assd_mm", "pad", "hd95_px", "assd_px"} <= set(
        answer["segmentation"]["lumen"]
    )
    assert set(answer["sqa"]) == SQA_KEYS


def test_simulate_shares_its_work_and_shows_a_table_once_all_is_there(run, trained):
    line = [
        "simulate",
        "--seeds",
        "1",
        "--steps",
        "2",
        "--ladder",
        "20,50",
        "--device",
        "cpu",
        "--project",
        trained.root,
    ]
    first = run(*line, "--part", "1/2")
    assert (first.code, first.out) == (0, "shard 1/2 is done; once all are: the same command without --shard\n")
    second = run(*line)
    assert second.code == 0
    assert "with all labels" in second.out
    assert "learning-curves.svg" in second.out
    assert {"sqa", "stratified", "random"} <= set(second.out.split())
    assert "frames left after the last rung, to mend until their mean Dice is 0.95:" in second.out


def test_finishing_is_a_table_of_80_columns_and_goes_on_where_it_stopped(run, trained):
    line = [
        "simulate",
        "--finish",
        "--steps",
        "2",
        "--labels",
        "3",
        "--audit",
        "2",
        "--frames",
        "40",
        "--device",
        "cpu",
        "--project",
    ]
    first = run(*line, trained.root, "--seeds", "1")
    assert first.code == 0
    assert max(map(len, first.out.splitlines()[:9])) <= 80
    rows = {row.split("  ")[0]: row.split() for row in first.out.splitlines()[2:8]}
    assert list(rows) == ["by hand", "assisted", "carried", "certificate", "random score", "true loss"]
    assert rows["by hand"][2:4] == ["110", "43…110"]  # 40 frames of two contours of 80 s, and a look of 5 s
    folder = trained.root / "reports/finish"
    kept = (folder / "seeds/00000.json").stat().st_mtime_ns
    second = run(*line, trained.root, "--seeds", "2", "--json").answer
    assert second["n_seeds"] == 2
    assert (folder / "seeds/00000.json").stat().st_mtime_ns == kept
    assert len((folder / "finish.csv").read_text().splitlines()) == 1 + 2 * 6
    other = run(*line, trained.root, "--confidence", "0.8")
    assert (other.code, "other settings" in other.err) == (EXIT_USER_ERROR, True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--finish --ladder 2", "--ladder is about ways of choosing, not about --finish"),
        ("--finish --strategy sqa", "--strategy is about ways of choosing"),
        ("--finish --part 1/2", "--shard is about ways of choosing"),
        ("--labels 5", "--labels needs --finish"),
        ("--at-most 0.1", "--at-most needs --finish"),
        ("--finish --at-most 2", "are between 0 and 1"),
    ],
)
def test_simulate_takes_no_option_of_its_other_form(run, trained, line, said):
    ran = run("simulate", *line.split(), "--project", trained.root)
    assert ran.code == EXIT_USAGE
    assert said in ran.err


def test_evaluate_fits_80_columns_and_names_its_page(run, trained):
    ran = run("evaluate", "--split", "train", "--device", "cpu", "--project", trained.root)
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[:2] for line in lines].count(["95", "%"]) >= 4  # beneath two structures and two signals
    # The shares to mend stand in a table and, for who reads no tables, in words.
    assert re.fullmatch(r"for 0.95 mend \d+ % by predicted quality, \d+ % at random, \d+ % by the truth", lines[-2]), (
        lines
    )
    assert any(re.match(r"error map +\d+\.\d % +\d+…\d+ % +-?[\d.–]+$", line) for line in lines)
    assert any(re.match(r"knowing the truth +\d+\.\d % ", line) for line in lines)
    assert lines[-1] == "for people, with pictures: reports/evaluation-m001-train/index.html"
    assert (trained.root / "reports/evaluation-m001-train/index.html").is_file()


@pytest.mark.parametrize(
    "line",
    ["import {phantoms} --dry-run", "import {phantoms} --dry-run --json", "select -n 3 --strategy random --dry-run"],
)
def test_a_dry_run_writes_nothing(run, imported, phantoms, bytes_of, line):
    before = bytes_of(imported.root)
    ran = run(f"{line.format(phantoms=phantoms.folder)} --project {imported.root}")
    assert ran.code == 0
    assert ran.out
    assert bytes_of(imported.root) == before


def test_a_dry_run_shows_what_was_found_in_one_table(run, imported, phantoms, tmp_path):
    (tmp_path / "S99-P1.dcm").write_bytes(b"")
    ran = run("import", phantoms.folder, tmp_path / "S99-P1.dcm", "--dry-run", "--project", imported.root)
    assert ran.code == EXIT_USER_ERROR
    head, columns, *rows, total = [line for line in ran.out.splitlines() if line]
    assert head == f"in {phantoms.folder}:"
    known_by = ["spacing,", "time", "and", "speed", "from"]
    assert columns.split() == ["file", "is", "frames", "px", "mm/px", "console", "subject", "split", "then", *known_by]
    assert len(rows) == 8
    assert "DICOM, ExplicitVRLittleEndian" in rows[0]
    assert "96 × 96  0.104" in " ".join(rows[0].split()).replace("96 0.", "96  0.")
    cells = "here as S01-P1  ultrasound region; 30 frames/s by FrameTime; 2 mm/s by IVUSPullbackRate"
    assert rows[0].rstrip().endswith(cells)
    assert total == "0 pullbacks to import, 8 unchanged, 1 refused; contours in 0 frames"
    assert "S99-P1.dcm: is empty" in ran.err
    assert "mend: copy or export it again" in ran.err


def test_guessed_subjects_are_said_to_be_guessed_before_anything_is_written(run, imported, tmp_path):
    from PIL import Image

    frame = Image.new("L", (32, 32), 9)
    frame.putdata(list(range(256)) * 4)
    frame.save(tmp_path / "0.png")
    ran = run("import", tmp_path, "--dry-run", "--project", imported.root)
    assert "(guessed)" in ran.out
    assert "--subject-from" in ran.err


def test_a_dry_run_says_what_cannot_be_imported(run, imported, tmp_path):
    ran = run(f"import {tmp_path / 'absent'} --dry-run --project {imported.root}")
    assert ran.code == EXIT_USER_ERROR
    assert "1 path cannot be imported" in ran.err


def test_check_exits_4_with_findings_and_0_without(run, scored):
    at = ["--project", scored.root]
    assert (run("check", *at).code, run("check", *at).out) == (0, "0 findings\n")
    (scored.layout.pullbacks / ".tmp-x").mkdir()
    ran = run("check", *at)
    assert ran.code == EXIT_FINDINGS
    assert ran.out.startswith("leftover: pullbacks/.tmp-x: ")
    ran = run("check", "--quick", "--json", *at)
    assert ran.code == EXIT_FINDINGS
    assert [finding["code"] for finding in ran.answer["findings"]] == ["leftover"]


def test_markup_in_a_file_name_is_printed_as_it_is(run, imported, tmp_path):
    path = tmp_path / "[red]frames[bold] :boom:.dcm"
    path.write_bytes(b"nothing")
    ran = run("import", path, "--project", imported.root)
    assert ran.code == EXIT_USER_ERROR
    assert "[red]frames[bold] :boom:.dcm" in ran.err


def test_control_characters_in_a_file_name_cannot_move_the_cursor(run, imported, tmp_path):
    path = tmp_path / "a\x1b[2Jb.dcm"
    path.write_bytes(b"nothing")
    ran = run("import", path, "--project", imported.root)
    assert "\x1b" not in ran.err
    assert "a\N{REPLACEMENT CHARACTER}[2Jb.dcm" in ran.err


def test_many_failures_are_all_listed_and_counted(run, imported, tmp_path):
    for number_ in range(25):
        (tmp_path / f"{number_:02d}.dcm").write_bytes(b"nothing")
    ran = run("import", tmp_path, "--project", imported.root)
    assert ran.err.count("error: ") == 26  # all of them, and the sum
    assert ran.err.count("  mend: ") == 25
    assert "25 failures" in ran.err
    assert ran.code == EXIT_USER_ERROR


def test_a_locked_project_says_who_holds_it(run, imported, phantoms):
    owner = {"host": "server-7", "pid": 12, "started_at": "2026-01-02T03:04:05+00:00"}
    imported.layout.lock("import").write_text(json.dumps(owner))
    ran = run("import", phantoms.folder, "--project", imported.root)
    assert ran.code == EXIT_USER_ERROR
    assert "already running on server-7 (process 12" in ran.err


def shell(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "ivsqa", *map(str, arguments)]


def test_a_bug_shows_as_a_traceback_without_locals_and_exits_1():
    code = (
        "import sys\n"
        "from ivsqa.cli import main, status\n"
        "def opened(path):\n    secret = 'Doe^' + 'Jane'\n    raise ZeroDivisionError\n"
        "status.opened = opened\n"
        "sys.argv = ['ivsqa', 'status']\n"
        "main.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_BUG
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "Doe^Jane" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
@pytest.mark.parametrize("sent", [(signal.SIGINT,), (signal.SIGUSR1, signal.SIGTERM)])
def test_ctrl_c_or_a_queue_ends_in_order_and_the_same_command_goes_on(started, sent):
    command = shell("train", "--steps", "5000", "--device", "cpu", "--project", started.root)
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        wait_for(started.layout.model_record("m001"))
        time.sleep(0.5)
        began = time.monotonic()
        for number in sent:
            child.send_signal(number)
        out, err = child.communicate(timeout=60)
    assert time.monotonic() - began < 10.0
    assert child.returncode == EXIT_INTERRUPTED, err
    assert "stopping after this step" in err
    assert "the same command goes on" in out
    assert started.layout.checkpoint("m001").is_file()
    assert not started.layout.lock("train").exists()


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} never came")


def test_an_interruption_where_nothing_can_be_resumed_is_130_too(monkeypatch):
    def interrupted(_path):
        raise KeyboardInterrupt

    monkeypatch.setattr("ivsqa.cli.status.opened", interrupted)
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == EXIT_INTERRUPTED
    assert "interrupted" in result.stderr


def test_what_is_not_finite_is_null_and_a_path_is_text_in_json():
    value = {"dice": (math.nan, 0.5), "hd95_mm": math.inf, "page": Path("reports/report.html")}
    assert as_plain(value) == {"dice": [None, 0.5], "hd95_mm": None, "page": str(Path("reports/report.html"))}


def test_the_help_of_a_command_fits_80_columns(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for command in COMMANDS:
        assert max(map(len, run(f"{command} --help").out.splitlines())) <= 80, command


def test_numbers_are_printed_for_people():
    assert (percent(0.1234), percent(None)) == ("12.3 %", "–")
    assert (number(0.12345), number(None), number(2.0, 1)) == ("0.123", "–", "2.0")
    assert (percent(math.nan), number(math.nan)) == ("–", "–")
    assert count(1234, "frame") == "1,234 frames"


def test_what_a_header_says_of_the_console_cannot_move_the_cursor(run, imported, phantoms, tmp_path):
    import pydicom

    dataset = pydicom.dcmread(phantoms.files[0])
    dataset.ManufacturerModelName = "look\x1b[2J"
    dataset.save_as(tmp_path / "a.dcm")
    ran = run("import", tmp_path, "--dry-run", "--project", imported.root)
    assert "look\N{REPLACEMENT CHARACTER}[2J" in ran.out
    assert "\x1b" not in ran.out


def test_a_fact_is_amended_shown_and_taken_back(run, imported):
    line = ["amend", "S01-P1", "--project", imported.root, "--by", "anna", "--why", "rings"]
    ran = run(*line, "--spacing-mm", "0.05", "--start-frame", "2")
    assert ran.code == 0
    assert [row.split() for row in ran.out.splitlines()[1:3]] == [
        ["S01-P1", "a001", "mm", "per", "pixel", "0.104", "0.05"],
        ["S01-P1", "a001", "start", "frame", "unknown", "2"],
    ]
    assert "ivsqa measure" in ran.err
    back = run(*line, "--undo")
    assert ["S01-P1", "a002", "mm", "per", "pixel", "0.05", "0.104"] in [row.split() for row in back.out.splitlines()]


@pytest.mark.parametrize("line", ["", "--undo --subject x"])
def test_an_amendment_gives_facts_or_undoes(run, imported, line):
    ran = run(f"amend S01-P1 --project {imported.root} --by anna --why rings {line}")
    assert ran.code == EXIT_USAGE
    assert "give the facts that are right, or --undo alone" in ran.err
