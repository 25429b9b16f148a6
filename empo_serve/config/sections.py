"""The configuration as a whole, and what must hold between its sections."""

from __future__ import annotations

from pydantic import model_validator

from empo_serve.config.learning import (
    BufferSection,
    GateSection,
    GuardsSection,
    RolloutSection,
    TrainSection,
)
from empo_serve.config.meaning import BandSection, SamplingSection, SemanticsSection
from empo_serve.config.section import Section
from empo_serve.config.serving import (
    AuthSection,
    EngineSection,
    LimitsSection,
    ModelSection,
    PrivacySection,
    ServerSection,
    TelemetrySection,
)


class Config(Section):
    model: ModelSection = ModelSection()
    server: ServerSection = ServerSection()
    auth: AuthSection = AuthSection()
    engine: EngineSection = EngineSection()
    sampling: SamplingSection = SamplingSection()
    semantics: SemanticsSection = SemanticsSection()
    band: BandSection = BandSection()
    buffer: BufferSection = BufferSection()
    train: TrainSection = TrainSection()
    guards: GuardsSection = GuardsSection()
    gate: GateSection = GateSection()
    rollout: RolloutSection = RolloutSection()
    privacy: PrivacySection = PrivacySection()
    limits: LimitsSection = LimitsSection()
    telemetry: TelemetrySection = TelemetrySection()

    @property
    def max_sample_tokens(self) -> int:
        """sampling.max_tokens, but no more than the engine lets a request ask for."""
        return min(self.sampling.max_tokens, self.engine.max_model_len or self.sampling.max_tokens)

    @property
    def background_seqs(self) -> int:
        """Background sequences that one engine may run at once."""
        return self.sampling.max_seqs or max(1, self.engine.max_num_seqs // 4)

    @property
    def served_model_judges(self) -> bool:
        """Whether version v0 may be asked which answers mean the same."""
        semantics = self.semantics
        if semantics.judge_url:
            return False
        return semantics.equivalence == "judge" or (
            # The fake engine's answers mean nothing.
            semantics.equivalence == "auto" and self.engine.kind != "fake"
        )

    @model_validator(mode="after")
    def _check(self) -> Config:
        if self.sampling.max_seqs >= self.engine.max_num_seqs:
            raise ValueError(
                "sampling.max_seqs must be smaller than engine.max_num_seqs: the rest is for users"
            )
        # Live, candidate, draining, and v0 where it judges.
        num_others = 3 + self.served_model_judges
        if self.rollout.keep_loaded + num_others > self.engine.max_cpu_loras:
            raise ValueError(
                "rollout.keep_loaded does not fit: engine.max_cpu_loras must be at least "
                f"rollout.keep_loaded + {num_others}"
            )
        return self
