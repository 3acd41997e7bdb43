"""Best of N: what choosing among N samples by the reward gives, before training and after each Improve step.

Of finished runs, the supervised policy and the policies of Improve steps are sampled, and every sample is scored by the
run's scorer, and by the oracle where there is one. Reward and true quality of the chosen sample for every N come from
the same samples, averaged over all their subsets. Runs that differ by their seed alone count together. Run again to go
on where it stopped.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from agents import Engine
from experiments.command_line.parsing import parse
from experiments.command_line.refusals import usage_errors
from experiments.reports.best_of_n_report import NAME, write_best_of_n
from experiments.reports.page.page import refresh_links
from experiments.runs.finished_run import FinishedRun, check_alike, open_run
from experiments.runs.stage_samples import FOLDER, Sampling, Wanted, sample_stages
from seq2seq_env import commands
from seq2seq_env.ranges import check_seed
from seq2seq_env.suggestions import check_name

MOST_USED = ("runs", "samples", "sources", "stages", "other_samples", "temperatures", "device", "out")
"""Options that the short help shows."""


@dataclass(frozen=True)
class Config:
    """Options of the curves."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of finished runs of growing_batch.py or online.py that differ by their seed alone."""
    samples: int = 64
    """Samples of each source and stage, the largest N, at least 2."""
    sources: int = 200
    """Number of test sources, at least 2; all where there are fewer."""
    stages: tuple[str, ...] = ()
    """Stages whose best of N is taken, as their checkpoints are named: g0i0 g1i3. None takes the supervised policy and
    every Improve step."""
    other_samples: int = 8
    """Samples of each source of all other stages, arms included, for the order of policies and for their KL. 0 leaves
    these stages out."""
    temperatures: tuple[float, ...] = ()
    """Sampling temperatures, above 0; none takes the run's own."""
    seed: int = 0
    """Seed of the sources drawn and of the samples, 0 or more."""
    engine: Engine = "auto"
    """Engine that samples: "transformers", "static", "ctranslate2", "vllm", or "auto", which takes the faster one."""
    device: str = "cpu"
    """Device of policies and scorers, "cpu" or "cuda"."""
    progress: bool = True
    """Show a progress bar on standard error."""
    out: Path | None = None
    """Folder of the report; None is best-of-n in the run's folder, of several runs runs/best-of-n. The samples are kept
    in each run's best-of-n."""

    def check(self) -> None:
        """Refuse what cannot work before anything is done.

        Raises:
            ValueError: If a number is out of range, or there is no run.
        """
        if not self.runs:
            raise ValueError("there are no runs; name folders of finished runs of growing_batch.py")
        for name, least in (("samples", 2), ("sources", 2), ("other_samples", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; give {least} or more")
        for temperature in self.temperatures:
            if not temperature > 0:
                raise ValueError(f"temperature is {temperature}; give a number above 0")
        check_seed(self.seed)

    @property
    def report_folder(self) -> Path:
        """Where the report goes."""
        return self.out or (self.runs[0] if len(self.runs) == 1 else Path("runs")) / FOLDER

    def wanted(self, run: FinishedRun) -> list[Wanted]:
        """The samples that a run's curves need.

        Raises:
            ValueError: If the run has no such stage.
        """
        known = [*run.steps, *run.arms]
        for stage in self.stages:
            check_name("stage", stage, known)
        chosen = self.stages or tuple(run.steps)
        numbers = {stage: self.samples if stage in chosen else self.other_samples for stage in known}
        return [
            Wanted(stage, temperature, number)
            for temperature in self.temperatures or (float(run.config["temperature"]),)
            for stage, number in numbers.items() if number
        ]  # fmt: skip


def best_of_n(config: Config, runs: Sequence[FinishedRun]) -> str:
    """Sample what is missing, and write the report; returns its verdict.

    Raises:
        ValueError: If the runs differ by more than their seed, or lack a stage.
        OSError: If samples or the report cannot be written.
    """
    check_alike(runs)
    sampling = Sampling(config.sources, config.seed, config.engine)
    wanted = in_all([config.wanted(run) for run in runs])
    every = [sample_stages(run, wanted, sampling, config.device, progress=config.progress) for run in runs]
    notes = {note for run in runs for note in run.notes}
    provenance = {
        "runs": " ".join(str(run.path) for run in runs), "scorer": runs[0].scorer.fingerprint, **asdict(sampling),
        **{f"note {number}": note for number, note in enumerate(sorted(notes), start=1)},
    }  # fmt: skip
    for note in sorted(notes):
        print(note)
    return write_best_of_n(config.report_folder, every, config.samples, runs[0].gold, provenance, config.seed)


def in_all(wanted: Sequence[Sequence[Wanted]]) -> list[Wanted]:
    """What is wanted of every run: arms are no option that runs must share, and a gate may have ended one early."""
    return [each for each in wanted[0] if all(each in others for others in wanted)]


def main(arguments: Sequence[str] | None = None, prog: str | None = None, most_used: Sequence[str] = ()) -> None:
    """The curves that the command line asks for; exit with one sentence where something is wrong."""
    with commands.command_frame("stopped; the same command goes on after the last finished stage"):
        arguments = commands.arguments() if arguments is None else arguments
        config = parse(Config, arguments, prog=prog, description=__doc__, most_used=most_used)
        with usage_errors():
            config.check()
        print(best_of_n(config, [open_run(path, config.device) for path in config.runs]))
        folder = config.report_folder
        for path in config.runs:
            refresh_links(path)
        print(f"wrote report.html, {NAME}.md, .json and .png to {folder}")
        print(f"next: true quality against KL, rest overoptimisation {shlex.join(map(str, config.runs))}")


if __name__ == "__main__":
    main()
