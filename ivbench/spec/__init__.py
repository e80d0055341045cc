"""The Video U-Net and the cascade as data: names, shapes, counts, FLOPs. No framework."""

from ivbench.spec.cascade import CascadeSpec, StageSpec
from ivbench.spec.distilled import DistilledSpec
from ivbench.spec.flops import flops
from ivbench.spec.generator import GeneratorSpec, Scalar
from ivbench.spec.layout import Block, layout
from ivbench.spec.network import NetworkSpec
from ivbench.spec.parameters import count, parameters
from ivbench.spec.video_unet import VideoUNetSpec

__all__ = [
    "Block",
    "CascadeSpec",
    "DistilledSpec",
    "GeneratorSpec",
    "NetworkSpec",
    "Scalar",
    "StageSpec",
    "VideoUNetSpec",
    "count",
    "flops",
    "layout",
    "parameters",
]
