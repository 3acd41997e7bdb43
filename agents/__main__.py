"""Use a trained policy: translate texts with it, or publish it on the Hugging Face hub."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

import agents
from agents.cli.line_files import open_lines, open_output
from agents.cli.line_translation import LineTranslator, OverLong
from agents.sampling.decoding import Decoding
from seq2seq_env.commands import arguments, command_frame
from seq2seq_env.tasks import TaskOptions, load_task


@dataclass(frozen=True)
class Translate:
    """Translate texts line by line: those of the command line, of --input, or piped in; one line for each."""

    policy: Path
    """Folder of a saved policy, or of a run, whose last policy is taken."""
    texts: tyro.conf.Positional[tuple[str, ...]] = ()
    """Texts to translate; none takes --input or standard input, in UTF-8."""
    checkpoint: str | None = None
    """Name of another policy of a run: g0i0 is the supervised policy, g1i3 Improve step 3 of Grow step 1."""
    decoding: tyro.conf.OmitArgPrefixes[Decoding] = field(default_factory=Decoding)
    """Decoding strategy, which chooses one translation among all."""
    task: str | None = None
    """Task whose pairs a scorer of best-of-n goes by: "lexical:" counts them, "guarded:" takes its limits from them."""
    task_options: TaskOptions = field(default_factory=dict)
    """Options of the task, names and values in turn: --task text-files --task-options folder data source de target
    en."""
    input: Path | None = None
    """File to translate, a text a line; empty lines stay empty."""
    output: Path | None = None
    """File to write atomically, in place of one of that name; None writes to standard output."""
    json: bool = False
    """Write JSON Lines with source, hypothesis, and score (best-of-n) or utility (mbr)."""
    over_long: OverLong = "refuse"
    """A line of more tokens than the policy reads: "refuse" it, before any work unless it is piped in, or "pass-over"
    it with a warning: its line is empty, and null in JSON."""
    lines_at_once: int = 512
    """Lines read, translated and written together, at least 1; more take more memory, and samples depend on it."""
    device: str = "auto"
    """Where the networks compute: "cpu", "cuda", or "auto" for a GPU where there is one."""
    progress: bool = True
    """Show a progress bar on standard error."""

    def run(self) -> None:
        """Translate, and say on standard error with what, and how fast it was."""
        self.decoding.check()
        if self.input is not None and self.output is not None and self.input.resolve() == self.output.resolve():
            raise ValueError(f"--input and --output are both {str(self.input)!r}; choose another output")
        if self.task is not None and self.decoding.scorer is None:
            raise ValueError(f"--task is {self.task}, which only a scorer goes by; leave it out, or name a --scorer")
        if self.task is None and self.task_options:
            raise ValueError(f"--task-options names {', '.join(self.task_options)}, and there is no --task; name it")
        task = None if self.task is None else load_task(self.task, **self.task_options)
        device = agents.known_device(self.device)
        folder = agents.policy_folder(self.policy, self.checkpoint)
        with open_lines(self.texts, self.input) as lines, open_output(self.output) as output:
            policy = agents.Seq2SeqPolicy.load(folder, device)
            print(f"{folder}: {policy}", file=sys.stderr)
            translator = LineTranslator(
                policy,
                self.decoding.rule(policy, device, task),
                lines_at_once=self.lines_at_once,
                over_long=self.over_long,
                progress=self.progress,
            )
            for translated in translator.translate(lines):
                shown = [line.as_json() if self.json else line.as_text() for line in translated]
                with tqdm.external_write_mode():
                    output.write("".join(f"{line}\n" for line in shown).encode())
                    output.flush()
        print(translator, file=sys.stderr)


@dataclass(frozen=True)
class Push:
    """Publish a policy on the Hugging Face hub, with a model card where there is none yet.

    The card of a finished run's policy has the run's data, measures, controls and intervals.
    """

    policy: Path
    """Folder of a saved policy, or of a run, whose last policy is taken."""
    repo: str
    """Name of the repository, "user/name" or "name"; it is created where it does not exist."""
    checkpoint: str | None = None
    """Name of another policy of a run, such as g1i3."""
    private: bool = False
    """Publish only for you and your organization; a public repository of that name is refused."""
    licence: str = "unknown"
    """Licence in the model card by the hub's name, such as apache-2.0; what the policy was trained on may decide it."""

    def run(self) -> None:
        """Upload it and print the address."""
        folder = agents.policy_folder(self.policy, self.checkpoint)
        policy, evaluation = agents.Seq2SeqPolicy.load(folder), agents.run_evaluation(folder)
        print(policy.push_to_hub(self.repo, private=self.private, licence=self.licence, evaluation=evaluation))


Command = Annotated[Translate, tyro.conf.subcommand("translate")] | Annotated[Push, tyro.conf.subcommand("push")]


def main() -> None:
    """Run the command; exit with 1 and one sentence where something is wrong."""
    with command_frame():
        command: Translate | Push = tyro.cli(Command, args=arguments(), prog="python -m agents", description=__doc__)
        command.run()


if __name__ == "__main__":
    main()
