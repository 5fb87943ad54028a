"""The options of a load run: read, checked, refused in one sentence."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bazaar.cluster.arguments import list_urls, read_dialect, read_number, read_whole
from bazaar.cluster.exits import CommandFailed
from bazaar.loadtest.chaos import ChaosPlan, read_plan
from bazaar.loadtest.outputs import Outputs
from bazaar.loadtest.plan import Plan
from bazaar.loadtest.profiles import ZIPF_MAX, read_profile
from bazaar.loadtest.thresholds import Threshold, read_threshold
from bazaar.loadtest.workload import CLIENTS_MAX
from bazaar.settings import client_access

PROCESSES_MAX = 64
RATE_MIN, RATE_MAX = 0.01, 1_000_000.0
DURATION_S_MAX = 7 * 24 * 3600.0
DURATION_S = 10.0
"""When neither a duration nor a number of requests is given."""
REQUESTS_MAX = 10**12
SEED_MAX = 2**63 - 1
STOCKS_MAX = 100_000
CHAOS_INTERVAL_S = 10.0
T = TypeVar("T")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One run as the command asks for it."""

    plan: Plan
    """Without stocks: they depend on what the cluster has."""
    profile: str | None
    most: int | None
    """Stocks of the profile that are used."""
    zipf: float | None
    outputs: Outputs
    thresholds: tuple[Threshold, ...]
    error_limit: float
    """The share of operations that may fail; 0 to 1."""
    chaos: ChaosPlan | None
    is_quiet: bool
    is_proving: bool
    options: dict[str, Any]
    """As given, for who reads the results."""

    def plan_for(self, profile: str) -> Plan:
        """Return the plan with the stocks of a profile. Raises CommandFailed."""
        stocks = read_profile(profile, most=self.most, zipf=self.zipf)
        return msgspec.structs.replace(self.plan, profile=profile, stocks=stocks)


def read_options(options: Mapping[str, Any], environ: Mapping[str, str]) -> LoadOptions:
    """
    Return what the command's options mean.

    Raises CommandFailed (2), ClusterError, SettingsError.
    """
    plan = _read_plan(options, environ)
    return LoadOptions(
        plan=plan,
        profile=options["profile"],
        most=_optional(read_whole, "--stocks", options["stocks"], 1, STOCKS_MAX),
        zipf=_optional(read_number, "--zipf", options["zipf"], 0.0, ZIPF_MAX),
        outputs=Outputs(
            json=options["json"],
            csv=options["csv"],
            history=options["history"],
            report=options["report"],
        ),
        thresholds=tuple(map(read_threshold, options["threshold"])),
        error_limit=_read_share("--error-limit", options["error_limit"]),
        chaos=_read_chaos(options),
        is_quiet=options["quiet"],
        is_proving=options["proof"],
        options=_given(options),
    )


def _read_plan(options: Mapping[str, Any], environ: Mapping[str, str]) -> Plan:
    duration_s = _optional(read_duration, "--duration", options["duration"], 0.001)
    requests = _optional(read_whole, "--requests", options["requests"], 1, REQUESTS_MAX)
    replay = options.get("file")
    if duration_s is None and requests is None and replay is None:
        duration_s = DURATION_S
    clients = read_whole("--clients", options["clients"], 1, CLIENTS_MAX)
    processes = read_whole("--processes", options["processes"], 1, PROCESSES_MAX)
    if processes > clients:
        raise CommandFailed(f"--processes {processes} are more than --clients {clients}.")
    return Plan(
        urls=list_urls(environ, options["url"]),
        dialect_name=read_dialect(options["dialect"]).name,
        token=client_access.read_token(environ, options["token"]),
        clients=clients,
        processes=processes,
        rate=_optional(read_number, "--rate", options["rate"], RATE_MIN, RATE_MAX),
        duration_s=duration_s,
        requests=requests,
        warmup_s=read_duration("--warmup", options["warmup"]),
        p=read_number("--p", options["p"], 0.0, 1.0),
        lookup=read_number("--lookup", options["lookup"], 0.0, 1.0),
        seed=read_whole("--seed", options["seed"], 0, SEED_MAX),
        is_fresh=options["no_cache"],
        deadline_s=read_duration("--deadline", options["deadline"], 0.1),
        replay=None if replay is None else str(Path(replay).absolute()),
    )


def _read_chaos(options: Mapping[str, Any]) -> ChaosPlan | None:
    if options["chaos"] is None:
        if options["chaos_interval"] is not None or options["chaos_seed"] is not None:
            raise CommandFailed("--chaos-interval and --chaos-seed need --chaos.")
        return None
    interval = options["chaos_interval"]
    interval_s = (
        CHAOS_INTERVAL_S if interval is None else read_duration("--chaos-interval", interval)
    )
    seed = read_whole("--chaos-seed", options["chaos_seed"] or "0", 0, SEED_MAX)
    return read_plan(options["chaos"], interval_s, seed)


def read_duration(option: str, text: str, least: float = 0.0) -> float:
    """Return seconds: a number with ms, s, m, h or nothing, which means s."""
    found = _DURATION.fullmatch(text)
    seconds = float(found[1]) * _UNITS[found[2]] if found else -1.0
    if not least <= seconds <= DURATION_S_MAX:
        raise CommandFailed(f"{option} must be a time such as 30s, 500ms or 2m, not {text!r}.")
    return seconds


def _read_share(option: str, text: str) -> float:
    is_percent = text.endswith("%")
    most = 100.0 if is_percent else 1.0
    share = read_number(option, text.removesuffix("%"), 0.0, most)
    return share / 100 if is_percent else share


def _optional(read: Callable[..., T], option: str, text: str | None, *limits: float) -> T | None:
    return None if text is None else read(option, text, *limits)


_OUTER = frozenset(
    {
        *("settings", "pythonpath", "traceback", "no_color", "force_color", "skip_checks"),
        *("verbosity", "stdout", "stderr"),
    }
)
"""Options of every management command."""
_UNSHOWN = _OUTER | {"token"}
"""What no result may show."""


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that have a value, given or by default."""
    return {
        name: value
        for name, value in sorted(options.items())
        if name not in _UNSHOWN and value not in (None, [], False)
    }
