"""What is measured on a GPU runs on a CPU too, small: the first time one is at hand, no minute is lost to a misspelt name."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured_and_nothing_written(gpu, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    gpu.main()
    assert capsys.readouterr().out == (
        "no GPU here: nothing was measured; --device cpu --quick shows that it would run\n"
    )


def test_every_part_in_this_process_gives_rates(gpu):
    bench = gpu.Bench.of(torch.device("cpu"), quick=True)
    parts = [
        gpu.bare_network(bench, compiled=False),
        gpu.bare_network(bench, compiled=True),
        gpu.copies(bench),
        gpu.training(bench),
        gpu.compiled_step(bench),
    ]
    assert [len(rows) for rows in parts] == [2, 2, 2, 2, 2]
    for row in (row for rows in parts for row in rows):
        assert row["frames_per_s"] > 0.0


def test_what_takes_too_long_is_left_out_and_named(gpu, monkeypatch):
    def slow(_bench, **_more):
        gpu.too_late()

    monkeypatch.setattr(gpu, "copies", slow)
    result = gpu.measured(gpu.Bench.of(torch.device("cpu"), quick=True), quick=True)
    assert [name for name in result if name not in ("left_out", "seconds")] == ["bare_network"]
    assert result["left_out"][0] == "copies"
