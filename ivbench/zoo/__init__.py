"""The zoo: folders with a card, found from a checkout, an editable install and a wheel alike. Data only."""

from ivbench.zoo.cards import Card, list_cards, read_card
from ivbench.zoo.encoder_folder import folder_digest
from ivbench.zoo.locate import find_zoo
from ivbench.zoo.verify import check_file, file_path, verify

__all__ = ["Card", "check_file", "file_path", "find_zoo", "folder_digest", "list_cards", "read_card", "verify"]
