"""Two diffusers pipelines of random weights, saved as their authors save them: text-to-video SD, and Wan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["save_sd", "save_wan"]

ZOO = Path(__file__).parents[2] / "zoo"


def save_sd(folder: Path, **unet: Any) -> Path:
    """A TextToVideoSDPipeline: a 3D U-Net, a KL autoencoder, CLIP's text encoder, DDIM."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, TextToVideoSDPipeline, UNet3DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    net = UNet3DConditionModel(
        sample_size=4,
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=2,
        **unet,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=2,
        sample_size=8,
    )
    words = _clip_words(folder.parent / f"{folder.name}-words")
    tokenizer = CLIPTokenizer(str(words / "vocab.json"), str(words / "merges.txt"), model_max_length=16)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=16,
        num_attention_heads=2,
        num_hidden_layers=1,
        max_position_embeddings=16,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    TextToVideoSDPipeline(vae, CLIPTextModel(text), tokenizer, net, DDIMScheduler()).save_pretrained(folder)
    return folder


def save_wan(folder: Path) -> Path:
    """A WanPipeline: a transformer, Wan's causal autoencoder, UMT5 with the zoo's words, flow matching."""
    import torch
    from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel
    from transformers import AutoTokenizer, UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(ZOO / "t5-mini")
    text = UMT5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2, tie_word_embeddings=False
    )
    vae = AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    net = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=32,
        ffn_dim=32,
        num_layers=1,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )
    with torch.no_grad():  # as it is initialised the text changes next to nothing
        for parameter in (*net.blocks[0].attn2.to_out.parameters(), *net.proj_out.parameters()):
            parameter *= 30
    WanPipeline(
        tokenizer, UMT5EncoderModel(text), vae, FlowMatchEulerDiscreteScheduler(shift=7.0), net
    ).save_pretrained(folder)
    return folder


def save_cogvideox(folder: Path) -> Path:
    """A CogVideoXPipeline: a transformer, its causal autoencoder, the zoo's T5, DDIM on v."""
    import torch
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )
    from transformers import AutoTokenizer, T5EncoderModel

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(ZOO / "t5-mini")
    text = T5EncoderModel.from_pretrained(ZOO / "t5-mini", dtype=torch.float32)
    net = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=8,
        text_embed_dim=text.config.d_model,
        num_layers=1,
        sample_width=2,
        sample_height=2,
        sample_frames=5,
        patch_size=2,
        temporal_compression_ratio=4,
        use_rotary_positional_embeddings=True,
    )
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    scheduler = CogVideoXDDIMScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True)
    CogVideoXPipeline(tokenizer, text, vae, net, scheduler).save_pretrained(folder)
    return folder


def _clip_words(folder: Path) -> Path:
    """A vocabulary of letters alone, which spells every word."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz,-"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return folder
