"""The study that is attacked."""

from pathlib import Path

import pytest

from ivsqa.io.project.project import open_project
from tests.attacks.study_of_every_kind import complete
from tests.conftest import Phantoms, copied


@pytest.fixture(scope="session")
def study_of_every_kind(tmp_path_factory: pytest.TempPathFactory, scored_study: Path, phantoms: Phantoms) -> Path:
    root = copied(scored_study, tmp_path_factory.mktemp("every-kind"))
    complete(open_project(root), phantoms)
    return root
