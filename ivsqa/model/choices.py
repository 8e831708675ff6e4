"""What can be chosen of how a network learns and runs; light, so that nobody loads torch to name it."""

from typing import Literal, TypeAlias

SelfTraining: TypeAlias = Literal["none", "accepted", "all"]
Precision: TypeAlias = Literal["auto", "bf16", "fp32"]
Engine: TypeAlias = Literal["torch", "openvino"]
"""What runs the network on a CPU."""
