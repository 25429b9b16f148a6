"""What stands in deploy/ fits the code, and itself.

No container engine is needed: these tests read files, and ask promtool where there is one.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from empo_serve.config import load_config
from empo_serve.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules" / "empo.yml"
RULE_TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "empo.json"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (of Prometheus) is not installed"
)


@cache
def load_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def exposed_metrics() -> dict[str, set[str]]:
    """Every name that a scrape can show, with its label names."""
    names: dict[str, set[str]] = {}
    for metric in vars(Metrics()).values():
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        labels = set(metric._labelnames)
        if isinstance(metric, Histogram):
            names[f"{metric._name}_bucket"] = labels | {"le"}
            names[f"{metric._name}_sum"] = names[f"{metric._name}_count"] = labels
        else:
            names[metric._name + ("_total" if isinstance(metric, Counter) else "")] = labels
    return names


def alerts() -> list[dict[str, Any]]:
    return [r for group in load_yaml(RULES)["groups"] for r in group["rules"] if "alert" in r]


def rule_expressions() -> list[str]:
    return [r["expr"] for group in load_yaml(RULES)["groups"] for r in group["rules"]]


def panels() -> list[dict[str, Any]]:
    all_panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [p for p in all_panels if p["type"] != "row"]


def dashboard_expressions() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    targets = [target["expr"] for panel in panels() for target in panel["targets"]]
    annotations = [a["expr"] for a in dashboard["annotations"]["list"]]
    variables = [v["query"]["query"] for v in dashboard["templating"]["list"]]
    return targets + annotations + variables


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Metric names of a PromQL expression, each with the label names that it is selected by."""
    pattern = r"\b(empo_\w+|process_\w+|up)\b(?:\{([^}]*)\})?"
    for name, matchers in re.findall(pattern, re.sub(r"job=~?\"empo-serve\"", "", expression)):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))


EXPRESSIONS = rule_expressions() + dashboard_expressions()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_rules_and_dashboard_name_only_metrics_and_labels_that_exist(expression: str) -> None:
    known = exposed_metrics()
    recorded = re.findall(r"empo:[\w:]+", expression)
    found = list(selectors(expression))
    assert found or recorded
    for name, labels in found:
        if name == "up" or name.startswith("process_"):
            continue
        assert name in known
        assert labels <= known[name] | {"job", "instance"}
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    labels_of_all = set().union(*(known.get(name, set()) for name, _ in found))
    for label in re.split(r",\s*", ", ".join(grouped)) if grouped else []:
        assert label in labels_of_all | {"job", "instance"}


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for e in dashboard_expressions() for name, _ in selectors(e)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed_metrics()}
    assert families - {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown} == set()


def test_label_values_in_rules_exist() -> None:
    """Counters with fixed label values start at zero, so a fresh scrape shows them all."""
    scrape = Metrics().render().decode()
    for label in ("decision", "state", "outcome", "reason"):
        for values in re.findall(rf'\b{label}=~?"([^"]+)"', " ".join(rule_expressions())):
            for value in values.split("|"):
                assert f'{label}="{value}"' in scrape


def test_alerts_use_every_recorded_series_and_no_other() -> None:
    rules = [r for group in load_yaml(RULES)["groups"] for r in group["rules"]]
    used = re.findall(r"empo:[\w:]+", " ".join(alert["expr"] for alert in alerts()))
    assert set(used) == {r["record"] for r in rules if "record" in r}


@pytest.mark.parametrize("alert", alerts(), ids=lambda a: a["alert"])
def test_every_alert_has_a_severity_and_an_entry_in_the_runbook(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket", "info"}
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    runbook = (ROOT / page).read_text(encoding="utf-8")
    assert f"\n## {anchor}\n" in runbook
    assert f"`{alert['alert']}`" in runbook


def test_every_alert_has_a_unit_test() -> None:
    cases = [
        case
        for path in RULE_TESTS
        for test in load_yaml(path)["tests"]
        for case in test["alert_rule_test"]
    ]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    assert {a["alert"] for a in alerts()} - fires == set()


@needs_promtool
def test_promtool_accepts_configuration_and_rules() -> None:
    promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    promtool("check", "rules", RULES)


@needs_promtool
def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", *RULE_TESTS)


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("panel", panels(), ids=lambda p: p["title"])
def test_every_panel_has_a_unit_and_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["description"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    everything = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({p["id"] for p in everything}) == len(everything)
    cells = [
        (x, y)
        for p in everything
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_dashboard_uses_the_provisioned_datasource() -> None:
    provisioned = load_yaml(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")
    uids = {source["uid"] for source in provisioned["datasources"]}
    used = set(re.findall(r'"type": "prometheus",\s*"uid": "([^"]+)"', DASHBOARD.read_text()))
    assert used == uids


def test_dashboards_are_provisioned_from_where_compose_mounts_them() -> None:
    provider = load_yaml(DEPLOY / "grafana/provisioning/dashboards/empo.yml")["providers"][0]
    assert (
        f"./grafana/dashboards:{provider['options']['path']}:ro"
        in (load_yaml(DEPLOY / "compose.yaml")["services"]["grafana"]["volumes"])
    )


def test_compose_mounts_files_that_exist_and_pins_images() -> None:
    compose = load_yaml(DEPLOY / "compose.yaml")
    for service in compose["services"].values():
        assert re.search(r":[\w.]+$", service["image"])
        assert not service["image"].endswith(":latest")
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
            else:
                assert source in compose["volumes"]
        assert set(service["networks"]) <= set(compose["networks"])
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:")


def test_admin_port_is_reachable_for_prometheus_alone() -> None:
    services = load_yaml(DEPLOY / "compose.yaml")["services"]
    published = " ".join(services["empo-serve"]["ports"])
    assert "8001" not in published
    neighbours = {
        name
        for name, service in services.items()
        if set(service["networks"]) & set(services["empo-serve"]["networks"])
    }
    assert neighbours == {"empo-serve", "prometheus"}
    scraped = load_yaml(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"][0]
    config = load_config(DEPLOY / "empo.toml", env={})
    assert scraped["static_configs"][0]["targets"] == [f"empo-serve:{config.server.admin_port}"]


def test_containers_configuration_is_valid_and_keeps_its_data_in_the_volume() -> None:
    config = load_config(DEPLOY / "empo.toml", env={})
    mounts = load_yaml(DEPLOY / "compose.yaml")["services"]["empo-serve"]["volumes"]
    assert f"empo-data:{config.server.data_dir}" in mounts
    grace_s = load_yaml(DEPLOY / "compose.yaml")["services"]["empo-serve"]["stop_grace_period"]
    assert int(grace_s.removesuffix("s")) > config.server.shutdown_timeout_s


@pytest.mark.parametrize("name", ["Dockerfile.cpu", "Dockerfile.gpu"])
def test_dockerfile_copies_what_exists_and_reaches_the_builder(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    for sources in re.findall(r"^COPY (.+) \S+$", text, flags=re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert source in allowed
    base = re.findall(r"^FROM (\S+)$", text, flags=re.MULTILINE)
    assert base
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in base)
    assert re.search(r"^USER (?!root)", text, flags=re.MULTILINE)
    assert "/health/ready" in text
