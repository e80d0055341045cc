"""A network of another project as data: what plans, costs and checks need of it where it is no Video U-Net of ours."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ivbench.spec.frozen import Frozen

__all__ = ["NetworkSpec"]


class NetworkSpec(Frozen):
    """What a stage's author says of a network that an adapter brings."""

    parameters: int = Field(gt=0, description="number of parameters")
    flops: int = Field(gt=0, description="of one evaluation of one video at this stage's size; 1 MAC = 2 FLOPs")
    augmentation: bool = Field(default=False, description="it is told the log SNR of its conditioning video's noise")
    resize: Literal["bilinear", "nearest"] = Field(
        default="bilinear",
        exclude_if=lambda value: value == "bilinear",
        description="how its conditioning video is brought to this stage's height and width",
    )
    noise_after_resizing: bool = Field(
        default=False,
        exclude_if=lambda value: not value,
        description="its conditioning video is noised at this stage's size; false: at the size of the stage before",
    )
    multiple_of: int = Field(default=1, ge=1, description="its height and width are multiples of this")
