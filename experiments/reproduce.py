"""The paper's ten claims, its negative results and its future work, each with a verdict of whole runs, by one command.

What a claim needs is run by the other scripts, and what is there is not run again; finished runs of growing_batch.py
may be named. The page has a row and a figure for every claim: what the paper says, what was measured, and whether it
holds, does not hold, or is not shown; or not run. Run again with the same --out to go on where it stopped.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import tyro

from agents import ONLINE
from experiments import best_of_n, compare_agents, growing_batch, online
from experiments.command_line.parsing import parse
from experiments.command_line.refusals import usage_errors
from experiments.paper.claims import CLAIMS, check_claims
from experiments.paper.given_runs import check_alike, link, places_of
from experiments.paper.page import NAME, Verdicts, write_page
from experiments.paper.parts import REGIMES, Part, Plan
from experiments.runs.forecast import in_words, sampling, training_rate, work
from experiments.runs.presets import with_task_options
from experiments.runs.script import options
from seq2seq_env import commands
from seq2seq_env.ranges import check_seed
from seq2seq_env.suggestions import check_name
from seq2seq_env.tasks import Task, load_task

MOST_USED = ("claims", "regimes", "seeds", "runs", "dry_run", "report_only", "out")
"""Options that the short help shows."""

ALL = "all"

SCRIPTS: dict[str, Any] = {"run": growing_batch.Config, "compare": compare_agents.Config, "online": online.Config}
"""Options of the commands that train."""

ClaimName = Annotated[str, tyro.conf.arg(metavar="{" + ",".join([ALL, *CLAIMS]) + "}")]


@dataclass(frozen=True)
class Config:
    """Options of the reproduction."""

    claims: tuple[ClaimName, ...] = (ALL,)
    """Claims of the paper, 1 to 10, its negative results, q-bve and reward-conditioned, and its future work, refresh;
    or all of them."""
    regimes: tuple[str, ...] = ("lowres",)
    """Regimes of the embedded task that they are tested in: lowres, noisy, clean, domain."""
    seeds: int = 5
    """Whole runs, 2 or more, from --seed on."""
    seed: int = 0
    """The first seed, 0 or more."""
    runs: tuple[Path, ...] = ()
    """Finished runs of growing_batch.py by the options that would be run, taken in place of training those of their
    regime and seed. Samples of their policies are kept in their folders."""
    online_agents: tuple[str, ...] = ("ppo",)
    """Agents that learn online, beside which claim 5 sets ReST; the first of them decides."""
    dry_run: bool = False
    """Whether nothing is run but a short measurement of this machine, and each part is printed with its time."""
    report_only: bool = False
    """Whether the page is made of what is there, and the rest is called not run."""
    device: str = "cpu"
    """Device that the networks compute on, "cpu" or "cuda"."""
    out: Path = Path("runs/paper")
    """Folder that the reproduction writes to, and goes on in."""

    def check(self) -> None:
        """Refuse what cannot work before anything is done.

        Raises:
            ValueError: If a number is out of range or a name unknown.
        """
        if not self.claims or not self.regimes or not self.online_agents:
            raise ValueError("claims, regimes or online_agents is empty; name at least one")
        check_claims([name for name in self.claims if name != ALL])
        for regime in self.regimes:
            check_name("regime", regime, REGIMES)
        for agent in self.online_agents:
            check_name("online agent", agent, ONLINE)
        if self.seeds < 2:
            raise ValueError(f"seeds is {self.seeds}; give 2 or more, as verdicts are over whole runs")
        check_seed(self.seed)

    @property
    def asked(self) -> list[str]:
        """Names of the claims, in order."""
        return [name for name in CLAIMS if name in self.claims or ALL in self.claims]

    def plans(self) -> list[Plan]:
        """One for each regime."""
        seeds = tuple(range(self.seed, self.seed + self.seeds))
        return [Plan(regime, self.out / regime, seeds, self.online_agents) for regime in self.regimes]

    def parts(self, plan: Plan) -> Iterator[Part]:
        """What the claims need in a regime, each once, in an order in which it can be run."""
        kinds = dict.fromkeys(kind for name in self.asked for kind in CLAIMS[name].needs)
        return (part for kind in kinds for part in plan.parts(kind))


def reproduce(config: Config) -> list[str]:
    """Run what is missing, and write the page; returns the parts that failed.

    Raises:
        ValueError: If runs that are named do not fit.
        OSError: If one is not there, or the page cannot be written.
    """
    plans = config.plans()
    link(places_of(config.runs, plans, recorded))
    for plan in plans:
        check_alike(plan)
    failed = []
    for plan in plans if not config.report_only else ():
        for part in config.parts(plan):
            if part.is_done:
                print(f"{plan.name}, {part.name}: done")
            elif run(part, config.device):
                check_alike(plan)  # at once: nothing more is trained for what cannot be paired
            else:
                failed.append(f"{plan.name}, {part.name}")
    every: list[Verdicts] = [{name: claim.verdict(plan) for name, claim in CLAIMS.items()} for plan in plans]
    print(write_page(config.out, plans, every))
    print(f"wrote {NAME}.md, {NAME}.json and figures to {config.out}")
    return failed


def run(part: Part, device: str) -> bool:
    """Run a part by its command, and record its end; False where it failed."""
    print(shown(part))
    started = time.perf_counter()
    command = [sys.executable, "-m", "experiments.cli", part.command, *part.arguments, "--device", device]
    if subprocess.run(command, check=False).returncode:
        return False
    part.finish(time.perf_counter() - started)
    return True


def shown(part: Part) -> str:
    """A part's command, as one would type it."""
    return shlex.join(["rest", part.command, *part.arguments])


def dry_run(config: Config) -> list[str]:
    """Each part with its time on this machine, by the rate of training measured now, and its command; a line each.

    Raises:
        ValueError: If runs that are named do not fit.
        OSError: If one is not there.
    """
    plans, lines, total = config.plans(), [], 0.0
    places = places_of(config.runs, plans, recorded)
    for plan in plans:
        base, task = whole_run(plan)
        rate = training_rate(replace(base, device=config.device), task)
        lines.append(
            f"{plan.name}: {rate:,.0f} target tokens of training per second, measured on this machine just now"
        )
        for part in config.parts(plan):
            if part.is_done or part.out in places:
                lines.append(f"{plan.name}, {part.name}: done")
                continue
            time_taken = cost(part, task) / rate / 60
            total += time_taken
            lines.append(f"{plan.name}, {part.name}: {in_words(time_taken)}: {shown(part)}")
    return [*lines, f"in all, at most: {in_words(total)}"]


@cache
def whole_run(plan: Plan) -> tuple[growing_batch.Config, Task]:
    """Options of a regime's whole runs, with what "auto" stands for, and their task."""
    config = with_task_options(options(growing_batch.Config, plan.parts("rest")[0].arguments))
    task = load_task(config.task, **config.options_of_task())
    return config.with_filter(task).with_sources(task), task


def recorded(plan: Plan) -> Mapping[str, Any]:
    """What a regime's whole runs record of their options, as JSON has it."""
    options: dict[str, Any] = json.loads(json.dumps(whole_run(plan)[0].recorded()))
    return options


def cost(part: Part, task: Task) -> float:
    """What a part takes at most, in target tokens of the policy's training that take as long."""
    if part.command == "best-of-n":
        drawn = parse(best_of_n.Config, part.arguments)
        return sampling(task, len(drawn.runs) * len(drawn.stages) * drawn.sources * drawn.samples)
    settings = options(SCRIPTS[part.command], part.arguments).with_filter(task).with_sources(task)
    return sum(work(settings, task).values())


def main(arguments: Sequence[str] | None = None, prog: str | None = None, most_used: Sequence[str] = ()) -> None:
    """The reproduction that the command line asks for.

    Raises:
        SystemExit: With 2 and one sentence where the options cannot be meant, and with 1 where a part failed.
    """
    with commands.command_frame("stopped; the same command goes on from the last finished part"):
        given = commands.arguments() if arguments is None else arguments
        config = parse(Config, given, prog=prog, description=__doc__, most_used=most_used)
        with usage_errors():
            config.check()
        if config.dry_run:
            print("\n".join(dry_run(config)))
            return
        if failed := reproduce(config):
            raise OSError(f"these parts failed, and the same command tries them again: {'; '.join(failed)}")


if __name__ == "__main__":
    main()
