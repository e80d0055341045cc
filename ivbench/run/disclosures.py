"""Choices that the paper leaves open, and ours; listed beside every table of results."""

from __future__ import annotations

from ivbench.plan import Plan

__all__ = ["disclosures"]


def disclosures(plan: Plan) -> list[str]:
    """One line a choice. None of them is the paper's."""
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
