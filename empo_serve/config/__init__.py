"""The whole configuration. An unknown key anywhere is an error that names it."""

from empo_serve.config.load import load_config, to_toml
from empo_serve.config.sections import (
    BandSection,
    BufferSection,
    Config,
    EngineSection,
    GateSection,
    LimitsSection,
    ModelSection,
    RolloutSection,
    SamplingSection,
    SemanticsSection,
    TrainSection,
)

__all__ = [
    "BandSection",
    "BufferSection",
    "Config",
    "EngineSection",
    "GateSection",
    "LimitsSection",
    "ModelSection",
    "RolloutSection",
    "SamplingSection",
    "SemanticsSection",
    "TrainSection",
    "load_config",
    "to_toml",
]
