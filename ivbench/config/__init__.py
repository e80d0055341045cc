"""Suites, cascades and cards: YAML into frozen models."""

from ivbench.config.canonical import canonical_json, digest, file_digest, text_digest
from ivbench.config.card import CardConfig, CardFile, parse_card
from ivbench.config.cascade import cascade_schema, parse_cascade, read_cascade
from ivbench.config.network_file import NetworkFile, read_network_file
from ivbench.config.parse import Frozen, parse
from ivbench.config.profile import (
    ClipChoice,
    ClipScoreChoice,
    ImageText,
    Network,
    Order,
    PackageFiles,
    Profile,
    ResizeStep,
    Subsets,
    profile,
    profile_names,
)
from ivbench.config.profile_fields import differing_choices, profile_between, profile_choice
from ivbench.config.settings import AnySampling, GeneratorSampling, Guidance, Settings, StageSampling, Thresholding
from ivbench.config.suite import (
    MetricConfig,
    MetricUnder,
    PromptsConfig,
    StagesConfig,
    SuiteConfig,
    VideoConfig,
    parse_suite,
    read_suite,
    suite_names,
    suite_schema,
)
from ivbench.config.yaml import load_yaml, read_yaml

__all__ = [
    "AnySampling",
    "CardConfig",
    "CardFile",
    "ClipChoice",
    "ClipScoreChoice",
    "Frozen",
    "GeneratorSampling",
    "Guidance",
    "ImageText",
    "MetricConfig",
    "MetricUnder",
    "Network",
    "NetworkFile",
    "Order",
    "PackageFiles",
    "Profile",
    "PromptsConfig",
    "ResizeStep",
    "Settings",
    "StageSampling",
    "StagesConfig",
    "Subsets",
    "SuiteConfig",
    "Thresholding",
    "VideoConfig",
    "canonical_json",
    "cascade_schema",
    "differing_choices",
    "digest",
    "file_digest",
    "load_yaml",
    "parse",
    "parse_card",
    "parse_cascade",
    "parse_suite",
    "profile",
    "profile_between",
    "profile_choice",
    "profile_names",
    "read_cascade",
    "read_network_file",
    "read_suite",
    "read_yaml",
    "suite_names",
    "suite_schema",
    "text_digest",
]
