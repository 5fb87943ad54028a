"""
One load run, from the first look at the cluster to the exit code.

Load, then heal what chaos broke, then prove that every promise was kept, then sum up. What goes
wrong after the load has begun never throws its results away: it becomes a sentence of the summary.
"""

import datetime
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console

from bazaar import clock
from bazaar.cluster import exits
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError, CommandFailed
from bazaar.cluster.up import catch_end_signals
from bazaar.loadtest.chaos import Chaos, open_chaos
from bazaar.loadtest.options import LoadOptions
from bazaar.loadtest.outputs import History
from bazaar.loadtest.panel import REFRESH_S, LivePanel, Panel, PlainLines, show_summary
from bazaar.loadtest.plan import Plan
from bazaar.loadtest.preflight import find_profile, open_client, read_openings
from bazaar.loadtest.processes import Processes
from bazaar.loadtest.profiles import Weighted
from bazaar.loadtest.prove import prove
from bazaar.loadtest.scripts import read_replay
from bazaar.loadtest.summary import Summary
from bazaar.loadtest.totals import RunTotals
from bazaar.loadtest.watch import Watcher, make_probe, own_data
from bazaar.proof.records import FORMAT, Header, HistoryError, Mark, Opening
from bazaar.proof.verdict import Verdict
from bazaar.settings.env import SettingsError

DRAIN_S = 1.0
"""For what is under way when the run is interrupted."""
OVERTIME_S = 10.0
"""Past the deadline of the last operation, until the run is ended by force."""


def run_load(options: LoadOptions, environ: Mapping[str, str], console: Console) -> int:
    """
    Run a load and show its results; return the exit code.

    Raises CommandFailed, ClusterError, SettingsError: it could not begin.
    """
    options.outputs.check()
    run = LoadRun(options, environ, console)
    summary = run.go()
    failures = options.outputs.write(summary)
    exit_code = summary.exit
    if failures and exit_code not in (exits.INCONSISTENT, exits.INTERRUPTED):
        exit_code = exits.USAGE
    notes = (*summary.notes, *failures)
    if not options.outputs.is_json_shown:
        show_summary(console, msgspec.structs.replace(summary, notes=notes, exit=exit_code))
    else:
        for line in failures:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return exit_code


class LoadRun:
    """One run."""

    def __init__(self, options: LoadOptions, environ: Mapping[str, str], console: Console) -> None:
        self.options, self.environ, self.console = options, environ, console
        self.totals = RunTotals()
        self.started = datetime.datetime.fromtimestamp(clock.wall_s(), datetime.UTC)
        self.origin_s: float | None = None
        self.ended_s = 0.0
        self.is_interrupted = False
        self.notes: list[str] = []
        self.plan: Plan = options.plan
        self.end_s: float | None = None
        """When the last operation may begin, where that is known."""

    # The course of a run

    def go(self) -> Summary:
        """Do all of it."""
        data = own_data(self.environ, self.options.plan.urls)
        openings = self._look_ahead()
        chaos = self._open_chaos()
        header = self._header(openings)
        with History(self.options.outputs.history, header) as history:
            with catch_end_signals() as options:
                self._load(history, chaos, data, options)
            history.close()
            if history.failure is not None:
                self.notes.append(f"--history: {history.failure}")
            verdict = self._prove(history, data)
        return self._sum_up(verdict, is_whole=history.failure is None)

    def _look_ahead(self) -> tuple[Opening, ...]:
        """Check that there is a cluster; choose the stocks; return their state."""
        with open_client(self.plan.urls, self.plan.token) as client:
            if self.plan.replay is None:
                profile = find_profile(client, self.options.profile)
                self.plan = self.options.plan_for(profile)
            else:
                self._plan_replay(Path(self.plan.replay))
            ends_s = (self.plan.duration_s, self.end_s)
            if ends_s[0] is not None:
                self.end_s = self.plan.warmup_s + ends_s[0]
            return read_openings(client, self.plan.stocks)

    def _plan_replay(self, path: Path) -> None:
        try:
            replay_plan = read_replay(path)
        except HistoryError as error:
            raise CommandFailed(str(error)) from error
        except OSError as error:
            raise CommandFailed(f"{path} cannot be read ({error.strerror}).") from error
        if not replay_plan.clients:
            raise CommandFailed(f"{path} has no operations.")
        stocks = tuple(Weighted(name, 1.0) for name in replay_plan.stock_names)
        self.plan = msgspec.structs.replace(
            self.plan,
            profile="replay",
            clients=replay_plan.clients,
            processes=min(self.plan.processes, replay_plan.clients),
            stocks=stocks,
        )
        self.end_s = replay_plan.end_s

    def _open_chaos(self) -> Chaos | None:
        if self.options.chaos is None:
            return None
        data = DataDir.of(self.environ)
        return open_chaos(self.options.chaos, data, self.environ, self.plan.urls)

    def _header(self, openings: tuple[Opening, ...]) -> Header:
        return Header(
            format=FORMAT,
            seed=self.plan.seed,
            profile=self.plan.profile,
            started=self.started.isoformat(timespec="milliseconds"),
            urls=self.plan.urls,
            options=self.options.options,
            openings=openings,
        )

    def _load(
        self,
        history: History,
        chaos: Chaos | None,
        data: DataDir | None,
        options: threading.Event,
    ) -> None:
        """Let the load run until it ends or is interrupted; heal everything."""
        is_noting = self.options.is_proving or self.options.outputs.history is not None
        on_line = history.write_line if is_noting else None
        processes = Processes(self.plan, self.totals.add, on_line)
        panel = self._panel()
        try:
            self.origin_s = processes.begin()
            probe = make_probe(data, self.environ, self.plan)
            on_mark = partial(self._mark, history)
            watcher = Watcher(probe, self.totals, self.now_s, on_mark)
            if chaos is not None:
                chaos.start(self.now_s, on_mark)
            panel.begin()
            try:
                self._wait(processes, chaos, history, panel, options)
            finally:
                self.ended_s = self.now_s()
                if chaos is not None:
                    self.notes += chaos.stop()
                watcher.stop()
        finally:
            panel.end()
            processes.close()
            self.notes += processes.failures
        for sample in self.totals.samples:
            history.write(sample)

    def _wait(
        self,
        processes: Processes,
        chaos: Chaos | None,
        history: History,
        panel: Panel,
        options: threading.Event,
    ) -> None:
        """Wait for the end of the load, and see to it that there is one."""
        last_s = None if self.end_s is None else self.end_s + self.plan.deadline_s + OVERTIME_S
        while not processes.is_over():
            now_s = self.now_s()
            panel.update(now_s)
            if options.wait(REFRESH_S) or history.failure is not None:
                self.is_interrupted = options.is_set()
                break
            if last_s is not None and now_s > last_s:
                self.notes.append("The load did not end in time and was ended by force.")
                break
            if chaos is not None and self.end_s is not None and now_s > self.end_s:
                chaos.stop()  # what is under way may be waiting for what was affected
        else:
            return
        processes.stop(DRAIN_S)
        until_s = clock.monotonic_s() + DRAIN_S + OVERTIME_S
        while not processes.is_over() and clock.monotonic_s() < until_s:
            panel.update(self.now_s())
            clock.wait(REFRESH_S)

    def now_s(self) -> float:
        """Return seconds since the run began."""
        assert self.origin_s is not None, "there is no second 0 before the load"
        return clock.monotonic_s() - self.origin_s

    def _mark(self, history: History, mark: Mark) -> None:
        if self.totals.mark(mark):
            history.write(mark)

    def _panel(self) -> Panel:
        if self.options.is_quiet:
            return Panel()
        if not self.console.is_terminal:
            return PlainLines(self.console, self.totals)
        length = (
            f"{self.end_s:.0f} s" if self.end_s is not None else f"{self.plan.requests:,} requests"
        )
        return LivePanel(self.console, self.totals, length)

    # The end

    def _prove(self, history: History, data: DataDir | None) -> Verdict | None:
        """Return whether every promise was kept; None when there was no proof."""
        if not self.options.is_proving or self.is_interrupted or history.failure is not None:
            return None
        try:
            return prove(history.path, data=data, access=self.plan)
        except (ClusterError, SettingsError, HistoryError, OSError) as error:
            return Verdict(gaps=(f"The proof could not be made: {error}",))
        except KeyboardInterrupt:
            self.is_interrupted = True
            return None

    def _sum_up(self, verdict: Verdict | None, *, is_whole: bool) -> Summary:
        series = self.totals.series()
        warmup_s = self.plan.warmup_s
        duration_s = max(0.0, min(self.ended_s, self.end_s or self.ended_s) - warmup_s)
        summary = Summary(
            options=self.options.options,
            started=self.started.isoformat(timespec="milliseconds"),
            duration_s=duration_s,
            warmup_s=warmup_s,
            operations=self.totals.operations(duration_s),
            longest_gap_s=self.totals.longest_gap_s(),
            failovers=self.totals.failovers(),
            hit_ratio=self.totals.hit_ratio,
            marks=tuple(self.totals.marks),
            samples=tuple(self.totals.samples),
            series=series,
            proof=verdict.sentences if verdict else None,
            proof_counts=verdict.counts if verdict else {},
            proof_gaps=verdict.gaps if verdict else (),
            unsent=self.totals.unsent,
            notes=tuple(self.notes),
        )
        results = tuple(one.judge(summary) for one in self.options.thresholds)
        judged = msgspec.structs.replace(summary, thresholds=results)
        return msgspec.structs.replace(judged, exit=self._exit(judged, is_whole=is_whole))

    def _exit(self, summary: Summary, *, is_whole: bool) -> int:
        """Return the exit code: a broken promise outweighs all else."""
        is_answered = any(
            one.count > one.errors.get("unreachable", 0) for one in summary.operations.values()
        )
        reasons = {
            exits.INCONSISTENT: bool(summary.proof),
            exits.INTERRUPTED: self.is_interrupted,
            exits.USAGE: not is_whole,
            exits.UNREACHABLE: bool(summary.proof_gaps) or (summary.count > 0 and not is_answered),
            exits.ERRORS: bool(summary.notes) or summary.error_rate > self.options.error_limit,
            exits.THRESHOLD: not all(one.is_met for one in summary.thresholds),
        }
        return next((code for code, is_so in reasons.items() if is_so), exits.OK)
