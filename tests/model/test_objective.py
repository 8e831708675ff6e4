import torch

from ivsqa.model.network import normalized
from ivsqa.model.objective import Annotated, Objective, Unannotated, new_objective
from tests.model import configs

CONFIG = configs.network(1, 16, widths=(8,), error_widths=(8,), error_inputs="both", dropout=0.0)


def batch() -> Annotated:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 16, 16, generator=generator) * 255
    return Annotated(images, torch.randint(0, 2, (4, 16, 16), dtype=torch.uint8, generator=generator))


def others() -> Unannotated:
    images = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1)) * 255
    known = torch.ones(3, 1, 16, 16, dtype=torch.bool)
    known[0, :, 0] = False
    return Unannotated(images, images.flip(1), known)


def gradients(objective: Objective) -> list[torch.Tensor]:
    """Return the gradient of each segmenter."""
    objective.zero_grad()
    objective.segmentation_loss(batch()).backward()
    return [
        torch.cat([p.grad.flatten() for p in part.parameters() if p.grad is not None])
        for part in objective.parts("contours")
    ]


def any_grad(part: torch.nn.Module) -> bool:
    return any(p.grad is not None for p in part.parameters())


def test_seed_alone_makes_the_weights_and_leaves_the_global_generator():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first = new_objective(CONFIG, committee=2, seed=3)
    assert torch.equal(torch.rand(1), expected)
    second = new_objective(CONFIG, committee=2, seed=3).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.state_dict().items())


def test_members_of_the_committee_begin_apart():
    members = new_objective(CONFIG, committee=2, seed=0).committee
    images = normalized(batch().images)
    assert not torch.allclose(members[0](images).output, members[1](images).output, atol=0.1)


def test_segmenter_learns_the_same_with_and_without_a_committee():
    alone, taught = (new_objective(CONFIG, committee=n, seed=0) for n in (0, 2))
    torch.testing.assert_close(gradients(alone)[0], gradients(taught)[0])


def test_annotated_frames_are_drawn_after_their_annotation_and_others_after_the_mean_of_the_committee():
    objective = new_objective(CONFIG, committee=2, seed=0)
    lesson = objective.lesson(batch(), others())
    assert torch.equal(lesson.wanted[:4, 1] == 1.0, batch().labels == 1)
    said = [torch.softmax(member(normalized(others().images)).output, dim=1) for member in objective.committee]
    torch.testing.assert_close(lesson.wanted[4:], (said[0] + said[1]) / 2)
    assert torch.equal(lesson.known[4:], others().known)


def test_error_branch_sees_damaged_frames_and_what_the_segmenter_makes_of_them():
    objective = new_objective(CONFIG, committee=2, seed=0)
    lesson = objective.lesson(batch(), others())
    torch.testing.assert_close(lesson.frames[4:], normalized(others().damaged))
    maps = objective.network.segmenter(lesson.frames)
    assert lesson.first is not None
    torch.testing.assert_close(lesson.first.rings, torch.softmax(maps.output, dim=1))
    torch.testing.assert_close(lesson.first.decoder, maps.decoder)


def test_without_a_committee_only_annotated_frames_are_learnt_from():
    lesson = new_objective(CONFIG, committee=0, seed=0).lesson(batch(), others())
    assert len(lesson.frames) == len(lesson.wanted) == 4


def test_each_stage_teaches_its_own_networks_alone():
    objective = new_objective(CONFIG, committee=1, seed=0)
    objective.segmentation_loss(batch()).backward()
    assert not any_grad(objective.network.error_branch)
    assert any_grad(objective.network.segmenter)
    assert any_grad(objective.committee)
    objective.zero_grad()
    objective.error_loss(objective.lesson(batch(), others())).backward()
    assert any_grad(objective.network.error_branch)
    assert not any_grad(objective.network.segmenter)
    assert not any_grad(objective.committee)
