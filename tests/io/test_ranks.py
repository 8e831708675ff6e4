import pytest

from ivsqa.io.ranks import Rank, this_rank

SAID = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "node-1", "MASTER_PORT": "29500"}


@pytest.fixture
def said(monkeypatch):
    for name, value in SAID.items():
        monkeypatch.setenv(name, value)


def test_a_process_of_torchrun_knows_its_place(said):
    assert this_rank() == Rank(number=5, of=8, on_machine=1)
    assert not this_rank().is_first


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("value", ["", "x"])
def test_where_not_all_is_said_a_process_is_alone(said, monkeypatch, name, value):
    monkeypatch.setenv(name, "" if name == "MASTER_ADDR" else value)
    assert this_rank() == Rank(0, 1, 0)
    assert this_rank().is_first
