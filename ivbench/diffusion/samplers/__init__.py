"""Samplers, one file each: coefficients as data and a step. The loop is `ivbench.diffusion.loop`."""

from __future__ import annotations

from ivbench.diffusion.samplers.ancestral import Ancestral
from ivbench.diffusion.samplers.base import Coefficients, DenoiseX, Sampler, Step, update
from ivbench.diffusion.samplers.ddim import DDIM
from ivbench.diffusion.samplers.heun import Heun
from ivbench.diffusion.samplers.stochastic import Stochastic

__all__ = ["DDIM", "Ancestral", "Coefficients", "DenoiseX", "Heun", "Sampler", "Step", "Stochastic", "update"]
