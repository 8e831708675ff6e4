"""A packet of a stranger is answered in a line, whatever its hidden record says."""

import shutil
from pathlib import Path

import yaml
from typer.testing import CliRunner

from ivsqa.cli.main import app
from tests.attacks.poisons import poisoned


def test_whatever_a_packet_says_of_itself_a_check_of_it_is_no_traceback(study_of_every_kind, tmp_path):
    packet = Path(shutil.copytree(study_of_every_kind / "rounds" / "r006" / "packet", tmp_path / "packet"))
    record = packet / ".ivsqa" / "packet.yaml"
    said = yaml.safe_load(record.read_text(encoding="utf-8"))
    broken, n_tried, n_refused = [], 0, 0
    for place, changed in poisoned(said):
        record.write_text(yaml.safe_dump(changed), encoding="utf-8")
        ran = CliRunner().invoke(app, ["check", str(packet), "--json"])
        n_tried += 1
        n_refused += ran.exit_code == 3
        if ran.exit_code not in (0, 3) or not (ran.exception is None or isinstance(ran.exception, SystemExit)):
            broken.append((place, repr(ran.exception)))
    assert broken == []
    assert n_tried > 400
    assert n_refused > 0.7 * n_tried
