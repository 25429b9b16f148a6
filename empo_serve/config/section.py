"""What all sections of the configuration have in common.

Each attribute docstring of a section is the documentation of its key; docs/configuration.md is
generated from them.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )
