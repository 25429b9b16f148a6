"""The configuration is strict, and every mistake is one line that names the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from empo_serve.config import Config, load_config, to_toml
from empo_serve.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "empo.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_later_sources_win(tmp_path: Path) -> None:
    file = write(tmp_path, "[server]\nport = 1\nadmin_port = 1\n[model]\nname = 'a'\n")
    env = {"EMPO_SERVER__PORT": "2", "EMPO_MODEL__NAME": "b", "EMPOWER": "x"}
    config = load_config(file, ["server.port=3"], env)
    assert (config.server.port, config.server.admin_port, config.model.name) == (3, 1, "b")


def test_a_path_needs_no_quotes() -> None:
    assert load_config(None, ["model.path=/models/my model"], {}).model.path == "/models/my model"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nprot = 1\n", "server.prot"),
        ("[sever]\nport = 1\n", "sever"),
        ("[server]\nport = 'x'\n", "server.port"),
        ("[server]\nport = 99999\n", "server.port"),
        ("[engine]\nkind = 'other'\n", "engine.kind"),
        ("[engine]\nkind = 'attached'\n", "engine.urls"),
        ("[engine]\nmax_loras = 2\n", "engine.max_loras"),
        ("[band]\nlow = 0.9\n", "band.low"),
        ("[rollout]\nkeep_loaded = 50\n", "rollout.keep_loaded"),
        ("[train]\nloss_type = 'ppo'\n", "train.loss_type"),
        ("server = 3\n", "server"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_its_key(
    tmp_path: Path, text: str, named: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text), (), {})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "env", "named"),
    [
        (["server.prot=1"], {}, "server.prot"),
        (["port=1"], {}, "section.key=value"),
        (["server.port"], {}, "section.key=value"),
        (["model.path=m", "train.learning_rate=-1"], {}, "train.learning_rate"),
        ([], {"EMPO_SERVER__PROT": "1"}, "EMPO_SERVER__PROT"),
    ],
)
def test_a_mistake_in_an_override_is_one_line_with_its_key(
    overrides: list[str], env: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, overrides, env)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_broken_toml_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(write(tmp_path, "[server\n"), (), {})
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_config(tmp_path / "nowhere.toml", (), {})


def test_the_shown_configuration_reads_back(tmp_path: Path) -> None:
    config = load_config(None, ["engine.args=['--x', 'y \"z\"']", "band.low=0.2"], {})
    assert load_config(write(tmp_path, to_toml(config)), (), {}) == config


def test_every_key_is_documented() -> None:
    for section in Config.model_fields.values():
        assert section.annotation is not None
        for name, field in section.annotation.model_fields.items():
            assert field.description, name
