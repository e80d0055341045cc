"""The shapes domain: short procedural videos of one shape that moves, with captions."""

from ivbench.data.shapes.attributes import Attributes, combinations
from ivbench.data.shapes.captions import caption, image_caption, prompts
from ivbench.data.shapes.render import Scene, draw_scene, render, render_image, to_uint8

__all__ = [
    "Attributes",
    "Scene",
    "caption",
    "combinations",
    "draw_scene",
    "image_caption",
    "prompts",
    "render",
    "render_image",
    "to_uint8",
]
