"""API keys: how they are configured, found and made."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest

from empo_serve.api_keys import ApiKey, new_key, read_keys
from empo_serve.cli import main
from empo_serve.config import load_config, to_toml
from empo_serve.errors import ConfigError
from empo_serve.server import auth
from empo_serve.server.auth import Keyring

A, B = hashlib.sha256(b"key-a").hexdigest(), hashlib.sha256(b"key-b").hexdigest()


def write(tmp_path: Path, text: str, name: str = "empo.toml") -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_keys_read_back_from_the_shown_configuration(tmp_path: Path) -> None:
    text = f"""
[auth]
keys_file = "more.toml"
[[auth.keys]]
name = "a"
sha256 = "{A.upper()}"
scopes = ["serve", "admin"]
requests_per_minute = 60
[[auth.keys]]
name = "b-2"
sha256 = "{B}"
"""
    config = load_config(write(tmp_path, text), (), {})
    assert [key.name for key in config.auth.keys] == ["a", "b-2"]
    assert config.auth.keys[1].scopes == ("serve", "learn")
    assert load_config(write(tmp_path, to_toml(config), "shown.toml"), (), {}) == config


def test_keys_can_be_given_as_an_override() -> None:
    config = load_config(None, [f'auth.keys=[{{name="a", sha256="{A}"}}]'], {})
    assert config.auth.keys[0].sha256 == A


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ('name = "a"', "auth.keys.0.sha256"),
        (f'sha256 = "{A}"', "auth.keys.0.name"),
        (f'name = "a b"\nsha256 = "{A}"', "name"),
        (f'name = ""\nsha256 = "{A}"', "name"),
        (f'name = "{"x" * 65}"\nsha256 = "{A}"', "name"),
        (f'name = "a"\nsha256 = "{A[:-1]}"', "sha256"),
        ('name = "a"\nsha256 = "sk-empo-the-key-itself"', "sha256"),
        (f'name = "a"\nsha256 = "{A}"\nscopes = ["root"]', "auth.keys.0.scopes"),
        (f'name = "a"\nsha256 = "{A}"\nrequests_per_minute = -1', "requests_per_minute"),
        (f'name = "a"\nsha256 = "{A}"\nkey = "sk-empo-the-key-itself"', "auth.keys.0.key"),
        ('name = "a"\nkey = "sk-empo-the-key-itself"', "auth.keys.0.sha256"),
    ],
)
def test_a_mistake_in_a_key_is_one_line_that_does_not_show_the_key(
    tmp_path: Path, table: str, named: str
) -> None:
    inline = write(tmp_path, f"[[auth.keys]]\n{table}\n")
    with pytest.raises(ConfigError) as in_config:
        load_config(inline, (), {})
    file = write(tmp_path, f"[[keys]]\n{table}\n", "keys.toml")
    with pytest.raises(ConfigError) as in_file:
        read_keys((), file)
    assert named in str(in_config.value)
    assert named.removeprefix("auth.") in str(in_file.value)
    for message in (str(in_config.value), str(in_file.value)):
        assert "\n" not in message
        assert "the-key-itself" not in message


def test_keys_of_the_file_come_after_those_of_the_configuration(tmp_path: Path) -> None:
    file = write(tmp_path, f'[[keys]]\nname = "b"\nsha256 = "{B}"\n', "keys.toml")
    keys = read_keys((ApiKey(name="a", sha256=A),), file)
    assert [key.name for key in keys] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "No such file"),
        ("", "holds no"),
        ("keys = 3", "keys"),
        ("[[key]]\n", "key"),
        ("[[keys]", "not valid TOML"),
        (f'[[keys]]\nname = "a"\nsha256 = "{B}"', "same name"),
        (f'[[keys]]\nname = "b"\nsha256 = "{A}"', "same sha256"),
    ],
)
def test_a_wrong_keys_file_is_one_line_that_names_it(
    tmp_path: Path, text: str | None, named: str
) -> None:
    file = tmp_path / "keys.toml" if text is None else write(tmp_path, text, "keys.toml")
    with pytest.raises(ConfigError) as caught:
        read_keys((ApiKey(name="a", sha256=A),), file)
    assert named in str(caught.value)
    assert "same" in named or "keys.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    return caught.value.code, out, err


def test_a_wrong_keys_file_ends_the_check_and_the_server_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = f"auth.keys_file={tmp_path}/nowhere.toml"
    for command in (("config", "check"), ("serve", "--set", "engine.kind=fake")):
        code, _, err = run(capsys, *command, "--set", missing)
        assert code == 2
        assert "nowhere.toml" in err
        assert len(err.splitlines()) == 1


def test_a_new_key_opens_a_server_with_its_printed_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "keys", "new", "ann", "--scope", "serve", "--scope", "admin")
    assert code == 0
    key, table = out.split("\n", 1)
    assert key not in table + err
    keys = load_config(write(tmp_path, table), (), {}).auth.keys
    principal = Keyring(keys).find(key)
    assert principal is not None
    assert (principal.name, principal.scopes) == ("ann", {"serve", "admin"})
    assert run(capsys, "keys", "new", "a b")[0] == 2
    assert new_key() != new_key()


def test_every_key_is_compared_whichever_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    compare = hmac.compare_digest

    def counting(a: Any, b: Any) -> bool:
        nonlocal compared
        compared += 1
        return compare(a, b)

    monkeypatch.setattr(auth.hmac, "compare_digest", counting)
    names = [f"k{number}" for number in range(5)]
    ring = Keyring(
        ApiKey(name=name, sha256=hashlib.sha256(name.encode()).hexdigest()) for name in names
    )
    for key, found in [("k0", "k0"), ("k4", "k4"), ("k5", None), ("", None), ("\udcff", None)]:
        compared = 0
        principal = ring.find(key)
        assert (principal.name if principal else None) == found
        assert compared == len(names)
