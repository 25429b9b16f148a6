"""The traffic file of the demo: what is accepted, and who is held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.config import load_config
from empo_serve.demo.server import CONFIG_FILE, MARKER, settle
from empo_serve.demo.traffic import Prompt, load_traffic, split_by_hash, stratified
from empo_serve.errors import ConfigError

DATA = CONFIG_FILE.parent
GOOD = {"id": "a", "domain": "d", "prompt": "p?", "gold": ["yes"]}


def prompts(domain: str, count: int) -> list[Prompt]:
    return [Prompt(f"{domain}-{i}", domain, "?", ("x",)) for i in range(count)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "gold"}), '"gold" is missing'),
        (json.dumps(GOOD | {"gold": []}), "at least one text"),
        (json.dumps(GOOD | {"gold": "yes"}), "must be a list"),
        (json.dumps(GOOD | {"gold": [""]}), "not empty"),
        (json.dumps(GOOD | {"prompt": 3}), '"prompt" must be a text'),
        (json.dumps(GOOD | {"id": " "}), '"id" must be a text'),
        (json.dumps(GOOD), "occurs twice"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "traffic.jsonl"
    file.write_text(f"{json.dumps(GOOD)}\n\n{line}\n")
    with pytest.raises(ConfigError, match="line 3: ") as e:
        load_traffic(file)
    assert says in str(e.value)
    assert "\n" not in str(e.value)


def test_a_missing_an_empty_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_traffic(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        load_traffic(tmp_path / "empty.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_traffic(tmp_path / "binary.jsonl")


def test_the_split_halves_every_domain_and_loses_nobody() -> None:
    everyone = prompts("a", 10) + prompts("b", 7)
    split = split_by_hash(everyone)
    assert [sum(p.domain == d for p in split.traffic) for d in "ab"] == [5, 3]
    assert {*split.traffic} | {*split.heldout} == {*everyone}
    assert not {*split.traffic} & {*split.heldout}


@given(st.permutations(prompts("a", 9)))
def test_the_split_depends_on_ids_alone(shuffled: list[Prompt]) -> None:
    assert split_by_hash(shuffled) == split_by_hash(prompts("a", 9))


def test_the_split_follows_the_published_hash() -> None:
    # sha256: "b" 3e23..., "d" 18ac..., "a" ca97..., "c" 2e7d...
    split = split_by_hash([Prompt(i, "x", "?", ("y",)) for i in "abcd"])
    assert [p.id for p in split.traffic] == ["d", "c"]
    assert [p.id for p in split.heldout] == ["b", "a"]


def test_a_file_that_leaves_no_traffic_is_refused() -> None:
    with pytest.raises(ConfigError, match="two prompts of one domain"):
        split_by_hash(prompts("a", 1) + prompts("b", 1))


def test_a_capped_selection_serves_all_domains_alike() -> None:
    chosen = stratified(tuple(prompts("a", 100) + prompts("b", 3) + prompts("c", 100)), 13)
    assert [sum(p.domain == d for p in chosen) for d in "abc"] == [5, 3, 5]
    assert len(stratified(tuple(prompts("a", 3)), 40)) == 3


def test_gold_is_a_substring_whatever_the_case() -> None:
    prompt = Prompt("a", "d", "?", ("Brasília", "Brasilia"))
    assert prompt.accepts("The capital is BRASÍLIA.")
    assert not prompt.accepts("Rio")
    assert not prompt.accepts("")


@pytest.mark.parametrize(("name", "count"), [("traffic.jsonl", 70), ("mixed.jsonl", 190)])
def test_the_bundled_files_are_valid(name: str, count: int) -> None:
    split = split_by_hash(load_traffic(DATA / name))
    assert len(split.traffic) == len(split.heldout) == count // 2


def test_the_bundled_configuration_is_valid_and_measures_eight_samples() -> None:
    config = load_config(CONFIG_FILE, env={})
    assert config.model.path == "demo"
    assert (config.sampling.num_generations, config.sampling.temperature) == (8, 0.7)


def test_a_run_clears_the_data_of_the_demo_before_it(tmp_path: Path) -> None:
    settle(tmp_path, [])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "old").touch()
    config, settings = settle(tmp_path, ["engine.kind=fake"])
    assert not (tmp_path / "data").exists()
    assert config.engine.kind == "fake"
    assert config.server.port != config.server.admin_port
    assert f"server.port={config.server.port}" in settings


def test_a_data_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").touch()
    with pytest.raises(ConfigError, match="not from a demo"):
        settle(tmp_path, [])
    assert (tmp_path / "data" / "precious").exists()
    assert not (tmp_path / MARKER).exists()
