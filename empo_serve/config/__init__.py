"""The whole configuration. An unknown key anywhere is an error that names it."""

from empo_serve.config.learning import (
    BufferSection,
    GateSection,
    GuardsSection,
    RolloutSection,
    TrainSection,
)
from empo_serve.config.load import load_config, to_toml
from empo_serve.config.meaning import BandSection, SamplingSection, SemanticsSection
from empo_serve.config.sections import Config
from empo_serve.config.serving import EngineSection, LimitsSection, ModelSection

__all__ = [
    "BandSection",
    "BufferSection",
    "Config",
    "EngineSection",
    "GateSection",
    "GuardsSection",
    "LimitsSection",
    "ModelSection",
    "RolloutSection",
    "SamplingSection",
    "SemanticsSection",
    "TrainSection",
    "load_config",
    "to_toml",
]
