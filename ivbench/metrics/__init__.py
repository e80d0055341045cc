"""Features -> statistics -> number: frame FID, FVD, CLIP score, CLIP R-Precision, and what makes them trustworthy."""

from ivbench.metrics.base import Batch, Conditions, Evidence, FeatureSource, Metric, Reference
from ivbench.metrics.compared import ComparedEvidence, ComparedMetric
from ivbench.metrics.floors import NullFloor, null_floor
from ivbench.metrics.frechet import frechet_distance, frechet_distance_of_features
from ivbench.metrics.frechet_metric import CellStatistics, FrechetMetric
from ivbench.metrics.influence import Influence
from ivbench.metrics.intervals import bootstrap_interval, group_of_prompts, standard_error
from ivbench.metrics.mean_metric import MeanEvidence, MeanMetric
from ivbench.metrics.protocol import Protocol, differing_fields, require_same_protocol
from ivbench.metrics.statistics import GaussianStatistics
from ivbench.metrics.texts import Pool, Texts

__all__ = [
    "Batch",
    "CellStatistics",
    "ComparedEvidence",
    "ComparedMetric",
    "Conditions",
    "Evidence",
    "FeatureSource",
    "FrechetMetric",
    "GaussianStatistics",
    "Influence",
    "MeanEvidence",
    "MeanMetric",
    "Metric",
    "NullFloor",
    "Pool",
    "Protocol",
    "Reference",
    "Texts",
    "bootstrap_interval",
    "differing_fields",
    "frechet_distance",
    "frechet_distance_of_features",
    "group_of_prompts",
    "null_floor",
    "require_same_protocol",
    "standard_error",
]
