import numpy as np
import pytest

from ivsqa.errors import IntegrityError
from ivsqa.io.project.simulations import ArmStore, SeedStore, StoredRung, iter_arms


@pytest.fixture
def arm(tmp_path) -> ArmStore:
    store = ArmStore(tmp_path, "sqa-1")
    for n_labels in (2, 4):
        labels = np.zeros((n_labels, 8, 8), dtype=np.uint8)
        store.write(StoredRung({"n_labels": n_labels, "dice": 0.5}, np.arange(n_labels), labels, b"weights"))
    return store


def test_an_arm_goes_on_from_its_last_rung(arm, tmp_path):
    rung = arm.last()
    assert rung is not None
    assert (rung.facts["n_labels"], rung.rows.tolist(), rung.weights) == (4, [0, 1, 2, 3], b"weights")
    assert [(name, len(facts)) for name, facts in iter_arms(tmp_path)] == [("sqa-1", 2)]


def test_a_stop_between_files_of_a_rung_begins_the_arm_anew(arm, tmp_path):
    (tmp_path / "arms" / "sqa-1" / "00004.json").unlink()
    assert arm.last() is None


@pytest.mark.parametrize("name", ["00002.json", "last.npz"])
@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b"\xff\xfe", b"3"])
def test_a_damaged_rung_is_named_with_the_folder_to_remove(arm, tmp_path, name, data):
    (tmp_path / "arms" / "sqa-1" / name).write_bytes(data)
    with pytest.raises(IntegrityError, match=rf"{name}: .*damaged .*remove the folder sqa-1"):
        arm.last()


def test_a_damaged_seed_is_named(tmp_path):
    SeedStore(tmp_path).write(3, {"arms": []})
    assert SeedStore(tmp_path).facts() == {3: {"arms": []}}
    (tmp_path / "seeds" / "00003.json").write_bytes(b"{")
    with pytest.raises(IntegrityError, match=r"00003.json"):
        SeedStore(tmp_path).facts()
