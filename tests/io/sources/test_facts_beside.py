import pytest

from ivsqa.domain.pullback import PullbackClaims
from ivsqa.errors import SourceError
from ivsqa.io.sources.source import with_claims_beside

FACTS = PullbackClaims(n_frames=8, height_px=4, width_px=4)


def test_without_a_table_nothing_is_known(tmp_path):
    assert with_claims_beside(FACTS, tmp_path) == FACTS


@pytest.mark.parametrize("name", ["run/phases.csv", "run.phases.csv"])
def test_end_diastolic_frames_are_those_marked_d(tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / name).write_text("\ufeffframe_index, phase\n7,D\n0,-\n3,d\n4,S\n5,\n", encoding="utf-8")
    path = tmp_path / "run" if "/" in name else tmp_path / "run.dcm"
    facts = with_claims_beside(FACTS, path).settled()
    assert (facts.end_diastolic_frames, facts.gating_source) == ((3, 7), "phases.csv")


@pytest.mark.parametrize("line", ["8,D", "-1,D", "one,D", "1,X", ""])
def test_a_line_that_cannot_be_used_is_named(tmp_path, line):
    (tmp_path / "phases.csv").write_text(f"frame_index,phase\n0,D\n{line},\n")
    with pytest.raises(SourceError, match="cannot be used") as caught:
        with_claims_beside(FACTS, tmp_path).settled()
    assert caught.value.where == "line 3"
    assert "0 to 7" in caught.value.hint
