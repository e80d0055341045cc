"""The text encoder that a cascade names: from the zoo, a local folder, or the hub."""

from __future__ import annotations

from pathlib import Path

from ivbench import registry
from ivbench.errors import ConfigError
from ivbench.spec.cascade import TextSpec
from ivbench.text import TextEncoder
from ivbench.zoo import find_card, verify

__all__ = ["open_text_encoder"]


def open_text_encoder(text: TextSpec, device: str = "cpu", zoo: Path | None = None) -> TextEncoder:
    """Load a cascade's frozen text encoder.

    Args:
        text: what the cascade's spec says of it.
        device: a torch device's name.
        zoo: where its name is looked up; None: `ivbench.zoo.find_zoo()`.

    Raises:
        ConfigError: no such device; it is no text encoder; or its tokens are of another width than the cascade's.
        DigestError: a file is not what its card says.
        MissingFileError: it is neither in the zoo, nor a folder, nor to be fetched.
    """
    from ivbench.backends.torch_backend import available_device

    card = find_card(text.encoder, zoo)
    source: str | Path = text.encoder
    if card is not None:
        verify(card)
        source = card.folder
    available_device(device)
    encoder: TextEncoder = registry.load("text_encoder", "t5")(source, max_length=text.length, device=device)
    if encoder.dim != text.dim:
        raise ConfigError(
            f"the text encoder {text.encoder} gives tokens of width {encoder.dim}, cascade.yaml says {text.dim}. "
            "Name the encoder that the cascade was trained with."
        )
    return encoder
