"""The zoo: folders with a card, found from a checkout, an editable install and a wheel alike. Data only."""

from ivbench.zoo.cards import Card, card_folders, find_card, list_cards, read_card
from ivbench.zoo.encoder_folder import folder_digest
from ivbench.zoo.locate import find_zoo
from ivbench.zoo.verify import check_file, file_path, verify

__all__ = [
    "Card",
    "card_folders",
    "check_file",
    "file_path",
    "find_card",
    "find_zoo",
    "folder_digest",
    "list_cards",
    "read_card",
    "verify",
]
