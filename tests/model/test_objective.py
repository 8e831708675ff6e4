import pytest
import torch

from ivsqa.model.network import TwoBranchNetwork, normalized
from ivsqa.model.objective import Lesson, drawn_lesson, expected_dice, lesson_loss, new_network
from ivsqa.model.ranks import ALONE
from tests.model import configs

CONFIG = configs.network(1, 16, dropout=0.0)
IMAGES = torch.rand(4, 16, 16, generator=torch.Generator().manual_seed(0)) * 255
LABELS = torch.randint(0, 2, (4, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network() -> TwoBranchNetwork:
    return new_network(CONFIG, seed=0)


@pytest.fixture
def annotated() -> Lesson:
    return Lesson.of_annotations(IMAGES, LABELS, 2)


def test_seed_alone_makes_the_weights_and_leaves_the_global_generator():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first = new_network(CONFIG, seed=3)
    assert torch.equal(torch.rand(1), expected)
    second = new_network(CONFIG, seed=3).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.state_dict().items())


def test_annotated_frames_are_drawn_after_their_annotation(annotated):
    assert torch.equal(annotated.wanted[:, 1] == 1.0, LABELS == 1)
    torch.testing.assert_close(annotated.frames, normalized(IMAGES))


def test_other_frames_are_seen_damaged_and_drawn_as_the_teacher_draws_them_undamaged(network, annotated):
    known = torch.ones(4, 1, 16, 16, dtype=torch.bool)
    known[0, :, 0] = False
    lesson = drawn_lesson(network, IMAGES, IMAGES.flip(1), known, sure_only=False)
    torch.testing.assert_close(lesson.frames, normalized(IMAGES.flip(1)))
    torch.testing.assert_close(lesson.wanted, torch.softmax(network(IMAGES).ring_logits, dim=1))
    assert torch.equal(lesson.known, known)
    assert len(annotated.beside(lesson).frames) == 8


def test_what_the_teacher_is_not_sure_of_counts_nowhere(network):
    known = torch.ones(4, 1, 16, 16, dtype=torch.bool)
    sure = expected_dice(network(IMAGES).probabilities).amin(dim=1) >= 0.9
    lesson = drawn_lesson(network, IMAGES, IMAGES, known, sure_only=True)
    assert torch.equal(lesson.known.flatten(1).any(dim=1), sure)
    assert not sure.all()  # fresh weights are sure of little


def test_a_sure_drawing_expects_all_of_itself_and_an_empty_one_nothing():
    drawing = torch.zeros(1, 3, 4, 4)
    drawing[0, 0, :2] = 1.0
    drawing[0, 1, :2] = 0.6  # 2 · 0.6 · 8 / (0.6 · 8 + 8)
    torch.testing.assert_close(expected_dice(drawing), torch.tensor([[1.0, 0.75, 0.0]]))


def test_loss_is_the_sum_of_what_each_branch_would_have_alone(network, annotated):
    share = ALONE.share(len(annotated.frames))
    together = lesson_loss(network, annotated, share, ALONE)
    network.second.load_state_dict(network.first.state_dict())
    twice_first = lesson_loss(network, annotated, share, ALONE)
    network.first.load_state_dict(new_network(CONFIG, seed=0).second.state_dict())
    network.second.load_state_dict(new_network(CONFIG, seed=0).second.state_dict())
    torch.testing.assert_close(together, 0.5 * (twice_first + lesson_loss(network, annotated, share, ALONE)))
