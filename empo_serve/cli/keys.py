"""`empo-serve keys`: new API keys."""

from __future__ import annotations

import json
import sys

from pydantic import ValidationError

from empo_serve.api_keys import ApiKey, new_key
from empo_serve.errors import ConfigError


def new(name: str, scopes: list[str] | None) -> int:
    """Print a random key, once, and the table that makes a server accept it."""
    key, digest = new_key()
    fields = {"name": name, "sha256": digest} | ({"scopes": scopes} if scopes else {})
    try:
        api_key = ApiKey.model_validate(fields)
    except ValidationError as e:
        raise ConfigError(e.errors()[0]["msg"].removeprefix("Value error, ")) from e
    print(f"key of {name}, shown only now: keep it secret", file=sys.stderr)
    print(key)
    print("the table for [auth] in the configuration; restart the server then", file=sys.stderr)
    print("\n[[auth.keys]]")
    for field, value in api_key.model_dump(include={"name", "sha256", "scopes"}).items():
        print(f"{field} = {json.dumps(value)}")
    return 0
