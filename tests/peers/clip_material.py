"""One small CLIP with random weights, as open_clip, Hugging Face and OpenAI's own code load it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from ivbench.extractors.torch_random_weights import random_state

Frames = NDArray[np.uint8]

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2}
VIT = {"image_size": 224, "layers": 2, "width": 128, "head_width": 64, "patch_size": 56}
RESNET = {"image_size": 224, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
CAPTIONS = [
    "a photo of a cat",
    "An astronaut in orange; behind her a flag!",
    "a cup of coffee on a table",
    "a rocket, 3 clouds & a tower",
]
WILD = "salt &amp; the dog\u2019s \uff57\uff49\uff44\uff45 caf\u00e9 \U0001f436"
LONG = "two dogs run along a road by the sea while the sun goes down " * 9


def many(images: list[Frames]) -> tuple[list[Frames], list[str]]:
    """Six variants of each of 8 images, with 48 captions."""
    turns = (lambda x: x, np.fliplr, np.flipud, lambda x: x.swapaxes(0, 1), lambda x: 255 - x, lambda x: x[..., ::-1])
    pictures = [np.ascontiguousarray(turn(image)) for image in images for turn in turns]
    colours, things = ("red", "Blue", "green", "pale grey"), ("cat", "rocket", "cup", "flag")
    places = ("by the sea", "in space", "on a hill")
    captions = [f"a {colour} {thing} {place}" for colour in colours for thing in things for place in places]
    return pictures, [*captions[:-1], LONG]


def settings(vision: dict[str, Any], quick_gelu: bool = True) -> dict[str, Any]:
    """A configuration of open_clip."""
    return {"embed_dim": 32, "quick_gelu": quick_gelu, "vision_cfg": vision, "text_cfg": TEXT}


def clip_state(vision: dict[str, Any], seed: int = 6) -> dict[str, Tensor]:
    """Random weights in open_clip's names, which are OpenAI's; float16's values, as OpenAI's are."""
    state = random_state(open_clip.CLIP(**settings(vision)), seed)
    # as trained models have them: embeddings small, so that positions and tokens count about the same
    for name in ("token_embedding.weight", "positional_embedding"):
        state[name] *= 0.3
    rounded = {name: value.half().float() if value.is_floating_point() else value for name, value in state.items()}
    return {name: value.contiguous() for name, value in rounded.items()}


def clip_folder(folder: Path, vision: dict[str, Any] = VIT, quick_gelu: bool = True) -> Path:
    """An open_clip folder."""
    folder.mkdir(parents=True)
    config = {"model_cfg": settings(vision, quick_gelu), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(clip_state(vision), folder / "open_clip_model.safetensors")
    return folder


def hugging_face_tokenizer() -> Any:
    """CLIP's tokenizer as transformers has it, from the merges that open_clip ships."""
    from transformers import CLIPTokenizer

    packed = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    own = open_clip.get_tokenizer("ViT-B-32").encoder
    vocabulary = {names.get(token, token): number for token, number in own.items()}
    return CLIPTokenizer(vocab=vocabulary, merges=[tuple(line.split()) for line in lines])


def hugging_face_model(quick_gelu: bool = True) -> Any:
    """The same weights in transformers' CLIPModel."""
    from transformers import CLIPConfig, CLIPModel

    act = "quick_gelu" if quick_gelu else "gelu"
    text = {
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 1,
        "hidden_act": act,
        # as in OpenAI's configurations on the hub: the end token is the largest number
        "eos_token_id": 2,
    }
    vision = {
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "hidden_act": act,
        "image_size": 224,
        "patch_size": 56,
    }
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=32))
    model.load_state_dict(dict(_renamed(clip_state(VIT))), strict=False)
    return model.eval()


_TOWERS = {"visual.": "vision_model.", "": "text_model."}
_WHOLE = {
    "logit_scale": "logit_scale",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}
_IN_A_LAYER = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def _renamed(state: dict[str, Tensor]) -> Any:
    """OpenAI's names to transformers': a projection is transposed, an attention's three inputs are apart."""
    for name, value in state.items():
        if name in _WHOLE:
            yield _WHOLE[name], value
        elif name == "visual.proj":
            yield "visual_projection.weight", value.T
        elif name == "text_projection":
            yield "text_projection.weight", value.T
        else:
            before, _, inside = name.partition("transformer.resblocks.")
            number, _, what = inside.partition(".")
            layer = f"{_TOWERS[before]}encoder.layers.{number}."
            if what.startswith("attn.in_proj_"):
                kind = what.removeprefix("attn.in_proj_")
                for part, third in zip("qkv", value.chunk(3), strict=True):
                    yield f"{layer}self_attn.{part}_proj.{kind}", third
            else:
                module, _, kind = what.rpartition(".")
                yield f"{layer}{_IN_A_LAYER[module]}.{kind}", value
