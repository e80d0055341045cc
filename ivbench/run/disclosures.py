"""Choices that the paper leaves open, and ours; listed beside every table of results."""

from __future__ import annotations

from ivbench.config import StageSampling
from ivbench.config.settings import ORIGINAL
from ivbench.plan import CascadeSource, GeneratorSource, Plan

__all__ = ["disclosures"]


def disclosures(plan: Plan) -> list[str]:
    """One line a choice. None of them is the paper's."""
    if isinstance(plan.source, GeneratorSource):
        return _of_generator(plan)
    choices = [*_of_sampling(plan), *_of_guidance(plan), *_of_students(plan), *_of_measuring(plan)]
    sizes = ", ".join(f"{one.name} {one.frames}x{one.height}x{one.width}" for one in plan.source.spec.stages)
    return [
        *(f"Unspecified by the paper; ours: {choice}" for choice in choices),
        "Domain, text encoder, extractors and cascade are ours: no number here can be set against a published FID, FVD "
        f"or CLIP score. The stages (TxHxW): {sizes}; the paper's are seven, up to 128x768x1280.",
    ]


def _of_sampling(plan: Plan) -> list[str]:
    lines = [
        "the guidance weight w is the paper's equation 5, x = (1 + w) x_c - w x_u; the scale of Imagen and "
        "diffusers is g = 1 + w.",
        "null text = zero embeddings, zero pooled vector, all tokens valid; text cross-attention stands wherever there "
        "is spatial attention, pooled text in every block.",
        "dynamic thresholding takes its percentile, as listed in the settings, over the whole video.",
    ]
    kinds = {stage.kind for stage in plan.stages}
    if kinds - {"base"}:
        lines.append(
            "noise conditioning augmentation, of the SNR that the settings list, is applied to the low-resolution "
            "input before it is upsampled."
        )
    if "tsr" in kinds:
        filling = ", ".join(sorted({stage.frame_filling for stage in plan.stages if stage.kind == "tsr"}))
        lines.append(
            f"frame filling in temporal super-resolution is by {filling} frames, and input frame i becomes output "
            "frame i times the factor."
        )
    if any(cell.settings.get("gamma") is not None for cell in plan.cells):
        lines.append("gamma of the ancestral sampler, as listed in the settings.")
    return lines


def _of_guidance(plan: Plan) -> list[str]:
    """How guidance oscillates; a line for each way."""
    found: dict[str, None] = {}
    for cell in plan.cells:
        stages = zip(plan.stages, cell.stages, strict=True)
        guided = [(stage.name, one.guidance) for stage, one in stages if isinstance(one, StageSampling)]
        high = [(name, guidance) for name, guidance in guided if guidance.kind == "oscillate"]
        if not high:
            continue
        way = high[0][1]
        second = "high" if way.phase == "low" else "low"
        others = ", ".join(f"{name} {guidance.label}" for name, guidance in guided if guidance.kind != "oscillate")
        line = (
            f"{way.label} is high for the first {way.initial:.0%} of the steps, rounded up, then {way.phase} and "
            f"{second} by turns, in {', '.join(name for name, _ in high)}"
        )
        found[f"{line}; elsewhere {others}." if others else f"{line}."] = None
    return list(found)


def _of_students(plan: Plan) -> list[str]:
    students = {name for cell in plan.cells for name in cell.weights if _distilled(plan, name)}
    if not students:
        return []
    return [
        "the range of w, updates, learning rates and loss weight of distillation: the recipes named in the card of "
        f"{' and of '.join(sorted(students))}."
    ]


def _distilled(plan: Plan, weights: str) -> bool:
    origin = plan.source if weights == ORIGINAL else plan.variants[weights]
    return isinstance(origin, CascadeSource) and any(stage.distilled is not None for stage in origin.spec.stages)


def _of_measuring(plan: Plan) -> list[str]:
    """What published values beside ours leave open."""
    published = {one.metric for cell in plan.cells for one in cell.published}
    lines = []
    if published:
        lines.append(
            f"{len(plan.prompts)} prompts, and the sampler of each row: the paper gives neither the number nor whether "
            "its undistilled rows are of DDIM."
        )
    if "r_precision" in published:
        lines.append("the pool of captions of R-Precision, as its protocol lists it.")
    if "seconds" in published:
        lines.append("machine and batch of the sampling time: the paper names neither for its seconds.")
    return lines


def _of_generator(plan: Plan) -> list[str]:
    spec = plan.stages[-1]
    size = f"{spec.frames}x{spec.height}x{spec.width} (TxHxW), {spec.fps:g} fps"
    last = (
        "Extractors and the reference are those that the protocols name: numbers under other ones are not comparable."
    )
    if spec.kind == "videos":
        fitted = f"Videos were not sampled here. They are scored at {size}: frames skipped, edges cropped, resized."
        return [fitted, last]
    return [
        f"The videos, {size}, are a generator's: sampler, text encoder, guidance and thresholding are its own, and how "
        "many network evaluations and FLOPs it takes is unknown.",
        "The guidance weight w is the Imagen Video paper's equation 5, x = (1 + w) x_c - w x_u; the generator is told "
        "the scale g = 1 + w.",
        last,
    ]
