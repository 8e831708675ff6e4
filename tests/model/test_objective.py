import pytest
import torch

from ivsqa.model.config import NetworkConfig
from ivsqa.model.network import normalized
from ivsqa.model.objective import Objective, new_objective

CONFIG = NetworkConfig(1, 16, widths=(8,), error_widths=(8,), error_inputs="both", dropout=0.0)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 16, 16, generator=generator) * 255
    return images, torch.randint(0, 2, (4, 16, 16), dtype=torch.uint8, generator=generator)


def gradients(objective: Objective, folds: list[int], labels: torch.Tensor | None = None):
    """Return the gradient of each part, None where it got none, with an error branch that looks at the objective itself."""
    images, wanted = batch()
    objective.zero_grad()
    of = torch.tensor(folds)
    judgement = objective.judge(images, of, torch.zeros(4, dtype=torch.bool))
    objective(images, wanted if labels is None else labels, of, judgement).total.backward()
    return [
        torch.cat([p.grad.flatten() for p in part.parameters() if p.grad is not None]) if any_grad(part) else None
        for part in objective.parts
    ]


def any_grad(part: torch.nn.Module) -> bool:
    return any(p.grad is not None for p in part.parameters())


def test_seed_alone_makes_the_weights_and_leaves_the_global_generator():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first = new_objective(CONFIG, cross_fit=True, seed=3)
    assert torch.equal(torch.rand(1), expected)
    second = new_objective(CONFIG, cross_fit=True, seed=3).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.state_dict().items())


def test_segmenter_learns_the_same_with_and_without_fold_segmenters():
    alone, crossed = (new_objective(CONFIG, cross_fit=cross_fit, seed=0) for cross_fit in (False, True))
    torch.testing.assert_close(gradients(alone, [0, 1, 0, 1])[0], gradients(crossed, [0, 1, 0, 1])[0])


def test_fold_segmenter_learns_nothing_from_the_other_half():
    objective = new_objective(CONFIG, cross_fit=True, seed=0)
    _, labels = batch()
    changed = labels.clone()
    changed[1] = 1 - changed[1]
    before, after = (gradients(objective, [0, 1, 0, 1], of) for of in (labels, changed))
    torch.testing.assert_close(before[2], after[2])
    assert not torch.allclose(before[3], after[3])


def test_each_frame_is_judged_by_the_segmenter_that_never_saw_its_subject():
    objective = new_objective(CONFIG, cross_fit=True, seed=0)
    images, _ = batch()
    folds, own = torch.tensor([0, 1, 0, 1]), torch.tensor([False, False, False, True])
    rings, decoder = objective.judge(images, folds, own)
    judges = [objective.folds[1], objective.folds[0], objective.folds[1], objective.network.segmenter]
    for row, judge in enumerate(judges):
        maps = judge(normalized(images[row : row + 1]))
        torch.testing.assert_close(rings[row], torch.softmax(maps.output[0], dim=0))
        torch.testing.assert_close(decoder[row], maps.decoder[0])


def test_without_fold_segmenters_the_segmenter_judges_itself():
    objective = new_objective(CONFIG, cross_fit=False, seed=0)
    images, _ = batch()
    rings, _ = objective.judge(images, torch.tensor([0, 1, 0, 1]), torch.zeros(4, dtype=torch.bool))
    torch.testing.assert_close(rings, torch.softmax(objective.network.segmenter(normalized(images)).output, dim=1))


def test_without_a_judgement_the_error_branch_learns_nothing():
    objective = new_objective(CONFIG, cross_fit=True, seed=0)
    losses = objective(*batch(), torch.tensor([0, 1, 0, 1]), None)
    losses.total.backward()
    assert losses.error is None
    assert not any_grad(objective.network.error_branch)
    assert any_grad(objective.network.segmenter)


@pytest.mark.parametrize("fold", [0, 1])
def test_batch_of_one_half_leaves_the_other_fold_segmenter_alone(fold):
    folds = gradients(new_objective(CONFIG, cross_fit=True, seed=0), [fold] * 4)[2:]
    assert folds[1 - fold] is None
    assert folds[fold] is not None
