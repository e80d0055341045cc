"""Choices that the paper leaves open, and ours; listed beside every table of results."""

from __future__ import annotations

from ivbench.plan import GeneratorSource, Plan

__all__ = ["disclosures"]


def disclosures(plan: Plan) -> list[str]:
    """One line a choice. None of them is the paper's."""
    if isinstance(plan.source, GeneratorSource):
        return _of_generator(plan)
    stages = plan.stages
    lines = [
        "Unspecified by the paper; ours: the guidance weight w is the paper's equation 5, x = (1 + w) x_c - w x_u; "
        "the scale of Imagen and diffusers is g = 1 + w.",
        "Unspecified by the paper; ours: null text = zero embeddings, zero pooled vector, all tokens valid.",
        "Unspecified by the paper; ours: noise conditioning augmentation is applied to the low-resolution input, "
        "before it is upsampled.",
        "Unspecified by the paper; ours: dynamic thresholding takes its percentile over the whole video.",
    ]
    if any(stage.kind == "tsr" for stage in stages):
        filling = ", ".join(sorted({stage.frame_filling for stage in stages if stage.kind == "tsr"}))
        lines.append(
            f"Unspecified by the paper; ours: frame filling in temporal super-resolution is by {filling} frames, and "
            "input frame i becomes output frame i times the factor."
        )
    if any("gamma" in cell.settings and cell.settings["gamma"] is not None for cell in plan.cells):
        lines.append("Unspecified by the paper; ours: gamma of the ancestral sampler, as listed in the settings.")
    lines.append(
        "Domain, text encoder, extractors and cascade sizes are ours: no number here can be set against a published "
        "FID, FVD or CLIP score."
    )
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
