"""A study whose frames are audited, brought to each stage once and copied for every test that wants to change it."""

from pathlib import Path

import pytest

from ivsqa.io.project.project import open_project
from ivsqa.workflow.accepting.accept import accept
from ivsqa.workflow.accepting.audit import draw_audit
from tests.conftest import copied
from tests.workflow.accepting.audited_study import N_AUDITED, read, send, study


@pytest.fixture(scope="session")
def unread_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study(tmp_path_factory.mktemp("unread") / "study").root


@pytest.fixture(scope="session")
def audited_study(unread_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit was drawn and read."""
    project = open_project(copied(unread_study, tmp_path_factory.mktemp("audited")))
    drawn = draw_audit(project, N_AUDITED, seed=3)
    read(project, [frame.key for frame in drawn.frames], round_id=drawn.round.round_id)
    return project.root


@pytest.fixture(scope="session")
def sent_study(audited_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its round is known to have been sent."""
    project = open_project(copied(audited_study, tmp_path_factory.mktemp("sent")))
    send(project, "r001")
    return project.root


@pytest.fixture(scope="session")
def accepted_study(sent_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What its audit allows is accepted."""
    project = open_project(copied(sent_study, tmp_path_factory.mktemp("accepted")))
    accept(project)
    return project.root
