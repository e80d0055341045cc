"""A two-stage video Imagen of imagen-pytorch, trained for a step or two and saved by its trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

__all__ = ["imported", "save_imagen"]

ZOO = Path(__file__).parents[2] / "zoo"


def imported() -> Any:
    """The package; while it is imported it asks the hub for a T5's configuration, which is answered here."""
    import transformers

    asked = transformers.T5Config.from_pretrained

    def answer(name: str, **more: Any) -> Any:
        return transformers.T5Config() if name.startswith("google/") else asked(name, **more)

    with patch.object(transformers.T5Config, "from_pretrained", answer):
        import imagen_pytorch
    return imagen_pytorch


def save_imagen(path: Path, steps: int = 2, frames: int = 2, **changes: Any) -> Path:
    """A checkpoint of `ImagenTrainer.save`: 2 frames of 8x8, then 16x16; or as many stages as `image_sizes` says."""
    import torch

    package = imported()
    torch.manual_seed(0)
    unet = {
        "dim": 8,
        "dim_mults": [1, 2],
        "text_embed_dim": 128,
        "cond_dim": 8,
        "num_resnet_blocks": 1,
        "attn_dim_head": 8,
        "attn_heads": 2,
        "layer_attns": False,
        "memory_efficient": False,
    }
    sizes = changes.pop("image_sizes", (8, 16))
    config = package.ImagenConfig(
        unets=[{**unet, "lowres_cond": place > 0} for place in range(len(sizes))],
        image_sizes=sizes,
        video=True,
        text_encoder_name=str(ZOO / "t5-mini"),
        text_embed_dim=128,
        **{"timesteps": 4, "cond_drop_prob": 0.1, **changes},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    for unet_number in range(1, len(sizes) + 1):  # a trainer trains one, and the next goes on from its checkpoint
        trainer = package.ImagenTrainer(imagen=config.create())
        trainer.load(str(path), noop_if_not_exist=True)
        for _ in range(steps):
            videos, text = torch.rand(2, 3, frames, 16, 16), torch.randn(2, 6, 128)
            trainer(videos, text_embeds=text, unet_number=unet_number, ignore_time=False)
            trainer.update(unet_number=unet_number)
        trainer.save(str(path))
    return path
