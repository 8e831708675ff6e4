"""What becomes of a command whose streams are closed, full or left, or that is told to end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ivsqa.cli.output import as_plain
from ivsqa.errors import EXIT_INTERRUPTED, EXIT_NOBODY_READS, EXIT_USER_ERROR

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "tests" / "data" / "projects" / "5f113b8" / "study"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="streams and signals are those of POSIX")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", "from ivsqa.cli.main import main; main()", *map(str, arguments)]


def ran(line: str, redirected: str) -> subprocess.CompletedProcess[str]:
    shell = ["bash", "-c", f'set -o pipefail; "$@" {redirected}', "bash", *command(*line.split(), "--project", STUDY)]
    return subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
def test_an_answer_that_finds_no_room_is_one_line_and_no_success():
    done = ran("status --json", "> /dev/full")
    assert done.returncode == EXIT_USER_ERROR
    assert done.stderr.startswith("error: stdout: the disk is full\n")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_who_reads_only_the_beginning_hears_of_no_error():
    done = ran("status --json", "| true")
    assert (done.returncode, done.stderr) == (EXIT_NOBODY_READS, "")


def test_who_closed_both_streams_is_answered_by_the_exit_code():
    assert ran("status", ">&- 2>&-").returncode == 0
    assert ran("why S99-P1:0", ">&- 2>&-").returncode == EXIT_USER_ERROR


def test_a_command_that_would_go_on_for_long_ends_when_it_is_told_to(tmp_path):
    made = tmp_path / "phantoms"
    line = command("phantom", made, "--pullbacks", "2000", "--size", "64", "--frames", "4")
    with subprocess.Popen(line, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None and not (made.is_dir() and any(made.iterdir())):
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=20)
    assert child.returncode == EXIT_INTERRUPTED, err
    assert err == "interrupted; the same command goes on where this one stopped\n"
    assert list(made.glob(".tmp-*")) == []


INTERRUPTED_WHILE_LOADING = """
import os, signal, sys
from ivsqa.__main__ import run

class Interrupts:
    def find_spec(name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts)
sys.argv[1:] = ["--version"]
run()
"""


@pytest.mark.parametrize(("ignored", "returncode"), [(False, -signal.SIGINT), (True, 0)])
def test_ctrl_c_before_the_command_line_is_read_in_leaves_no_traceback(ignored, returncode):
    before = signal.getsignal(signal.SIGINT)
    try:
        # Ignored as a shell does for what runs behind a script, these tests perhaps.
        signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
        line = [sys.executable, "-c", INTERRUPTED_WHILE_LOADING]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (done.returncode, done.stderr) == (returncode, "")


def test_a_name_that_is_no_utf8_is_json_all_the_same():
    odd = os.fsdecode(b"run-\xe9.dcm")
    text = json.dumps(as_plain({odd: [Path("archive") / odd, "\ud800"]}), ensure_ascii=False)
    assert json.loads(text.encode("utf-8")) == {"run-�.dcm": ["archive/run-�.dcm", "�"]}
