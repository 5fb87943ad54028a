"""What `docs/operations` ships passes Prometheus's own checks, and names what there is."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from bazaar.core.histogram import LATENCY_BOUNDS_S, SIZE_BOUNDS, Histogram
from bazaar.runtime.metric_families import FAMILIES, MetricKind
from bazaar.runtime.prometheus import MetricPage
from bazaar.runtime.prometheus_text import encode_metrics
from bazaar.settings import env

FOLDER = env.ROOT / "docs" / "operations"
TOKEN_PATH = "/srv/bazaar/var/metrics.token"
TIMEOUT_S = 60.0
_RECORDED = re.compile(r"record: (\S+)")
_ALERT = re.compile(r"(?:alert|alertname): (\w+)")
_METRIC = re.compile(r"\b(?:bazaar|process)[_:][a-z0-9_:]+")
_OF_CLIENT = frozenset(("process_cpu_seconds_total", "process_resident_memory_bytes"))


def promtool(*arguments: str, told: bytes = b"", folder: Path = FOLDER) -> str:
    """Return what promtool prints. Raises AssertionError: it found something."""
    done = subprocess.run(
        ["promtool", *arguments],
        input=told,
        capture_output=True,
        cwd=folder,
        timeout=TIMEOUT_S,
        check=False,
    )
    printed = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, printed
    return printed


def sampled() -> set[str]:
    """Return the names that Prometheus stores."""
    names = {family.name for family in FAMILIES}
    for family in FAMILIES:
        if family.kind is MetricKind.HISTOGRAM:
            names |= {f"{family.name}_{end}" for end in ("bucket", "count", "sum")}
    return names | _OF_CLIENT


def recorded() -> set[str]:
    return set(_RECORDED.findall((FOLDER / "recording.yml").read_text()))


def test_the_configuration_is_sound(tmp_path: Path) -> None:
    text = (FOLDER / "prometheus.yml").read_text()
    assert text.count(TOKEN_PATH) == 2
    token = tmp_path / "metrics.token"
    token.write_text("x\n")
    (tmp_path / "prometheus.yml").write_text(text.replace(TOKEN_PATH, str(token)))
    for name in ("recording.yml", "alerts.yml"):
        (tmp_path / name).write_text((FOLDER / name).read_text())
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml", folder=tmp_path)


def test_the_rules_are_sound() -> None:
    assert promtool("check", "rules", "recording.yml", "alerts.yml").count("SUCCESS") == 2


def test_the_tests_of_the_rules_pass() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


def test_each_alert_is_tested_and_has_a_summary() -> None:
    text = (FOLDER / "alerts.yml").read_text()
    alerts, tests = _ALERT.findall(text), (FOLDER / "alerts_test.yml").read_text()
    assert alerts
    assert set(alerts) == set(_ALERT.findall(tests))
    assert text.count("summary:") == text.count("description:") == len(alerts)
    assert tests.count("exp_alerts:") >= len(alerts)


@pytest.mark.parametrize("name", ["recording.yml", "alerts.yml", "grafana.json"])
def test_what_is_asked_for_exists(name: str) -> None:
    """A metric that is renamed would leave an alert that never fires."""
    text = (FOLDER / name).read_text()
    if name == "grafana.json":
        board = json.loads(text)
        texts = [one["expr"] for panel in board["panels"] for one in panel["targets"]]
        text = "\n".join([*texts, *(one["expr"] for one in board["annotations"]["list"])])
        assert all(panel["description"] for panel in board["panels"])
    found = {one.rstrip(":") for one in _METRIC.findall(re.sub(r"bazaar_control\b", "", text))}
    assert found
    assert found <= sampled() | recorded()


def test_metrics_pass_the_check() -> None:
    """With a value in each family: names, units and help are as Prometheus wants them."""
    page = MetricPage()
    for family in FAMILIES:
        labels = ["x"] * len(family.labels)
        if family.kind is MetricKind.HISTOGRAM:
            bounds = LATENCY_BOUNDS_S if family.unit == "seconds" else SIZE_BOUNDS
            page.add(family.name, Histogram(bounds), *labels)
        else:
            page.add(family.name, 1, *labels)
    text = encode_metrics(lambda one: one.values.update(page.values))
    assert promtool("check", "metrics", told=text) == ""
