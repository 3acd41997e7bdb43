"""The report of a growing-batch run: results.json, results.md, report.html, plots, and examples side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, get_args

from buffers import GrowingBatchBuffer
from experiments.reports.corpus_scores import CORPUS_SCORES
from experiments.reports.evidence import Comparison, comparisons, evidence_table
from experiments.reports.examples import NUM_EXAMPLES, examples
from experiments.reports.gate import gate_parts, gate_sentence, looks_of
from experiments.reports.guard_counts import any_hit, counts, guard_table, run_guards, stage_hits
from experiments.reports.interference import Change, are_related, interference, interference_table, stage_values
from experiments.reports.plots import save_plots, step_name
from experiments.reports.run_page import write_run_page
from experiments.reports.run_summary import rows_of_test, summary
from experiments.reports.scorer_monitor import (
    monitor_parts,
    monitor_warnings,
    monitored_grow_steps,
    monitored_steps,
    rated,
)
from experiments.reports.tables import number, share, table
from experiments.runs.arms import Arm, arm_stage, arms_left_out
from experiments.runs.evaluation import Evaluator
from experiments.runs.finished_stages import final_stage, rest_stages, stage_name, step_of
from experiments.runs.rewriting import rewrites
from experiments.runs.run_folder import RunFolder, read_lines
from experiments.runs.scorer_checks import SCORER_TESTS
from experiments.runs.scorer_refresh import refresh_sentence, refresh_stage, refresh_warnings
from experiments.runs.stages import EQUAL_ENTROPY, RERANKED, translations_file
from seq2seq_env.atomic_files import write_json, write_text

DECODES = ("sample", "greedy")

Row = dict[str, Any]

HEADS = {
    "reward": "learned reward",
    "oracle": "true quality",
    "judge": "judge",
    "bleu": "BLEU",
    "chrf": "chrF",
    "ter": "TER",
    "nats": "nats per token",
    "length_ratio": "length over reference",
    "train_tokens": "gradient tokens",
    "seconds": "seconds",
    "data_reward": "mean reward of the data",
    "threshold": "filter value",
    "kept_fraction": "share kept",
    "sources_without_data": "share of sources without data",
    "distinct_samples": "distinct samples",
}
"""Of what is recorded, as tables show it."""


def write_report(run: RunFolder, evaluator: Evaluator, name: str = "ReST") -> None:
    """Gather every finished stage into the report; ``name`` is what trained the policies but the first."""
    import sacrebleu

    stages, final = rest_stages(run.path), final_stage(run.path)
    grown_steps = {step_of(stage)[0] for stage in stages}
    steps = [row for stage in stages for row in _rows(run, stage)]
    controls = [
        {"step": arm, **row} for arm in get_args(Arm) if run.has(arm_stage(arm)) for row in run.result(arm_stage(arm))
    ]
    left_out = arms_left_out(run)
    entropy = run.result(EQUAL_ENTROPY) if run.has(EQUAL_ENTROPY) else {}
    tests = run.result(SCORER_TESTS) if run.has(SCORER_TESTS) else {}
    refreshes = [run.result(refresh_stage(g)) for g in sorted(grown_steps) if run.has(refresh_stage(g))]
    evidence = comparisons([run.path])
    curves = learning_curves(run, name)
    lines = {step_name(_rows(run, stage)[0]): read_lines(run.path / translations_file(stage)) for stage in stages}
    first, last, end = (_rows(run, stage) for stage in (stages[0], final, stages[-1]))
    # Of a run that fell back to the supervised policy, what was rejected tells more.
    shown = step_name(first[0]), step_name((last if last != first else end)[0])
    guards, guards_note = run_guards(evaluator.task, evaluator.scorer)
    hits = {(step, decode): stage_hits(guards, each, decode) for step, each in lines.items() for decode in DECODES}
    guard_counts = {place: counts(each) for place, each in hits.items()}
    related = are_related(evaluator.scorer, evaluator.judge) if evaluator.judge else None
    seen = interference(
        {step: stage_values(each, any_hit(hits[step, "greedy"])) for step, each in lines.items()}, related
    )
    buffer = GrowingBatchBuffer(run.config.get("buffer") or run.path / "buffer")
    grown = {g: buffer.select(grow_step=g) for g in buffer.grow_steps}
    watched = (
        monitored_grow_steps(grown, evaluator.task),
        monitored_steps(lines),
        rated(run.path) if evaluator.task.oracle is None else [],
    )
    gate = looks_of(run)
    results = {
        "config": run.config,
        "steps": steps,
        "final": final,
        "gate": gate,
        "controls": controls,
        **({"controls_left_out": left_out} if left_out else {}),
        "equal_entropy": entropy,
        "evidence": [each._asdict() for each in evidence],
        "interference": seen.record(),
        "guards": [{"step": step, "decode": decode, **each} for (step, decode), each in guard_counts.items()],
        "scorer_unit_tests": tests,
        "scorer_refreshes": refreshes,
        "rewrites": rewrites(run, len(grown)),
        "scorer_monitor": [row.record() for rows in watched for row in rows],
        "learning_curves": curves,
        "summary": summary([*first, *last], controls, run.result(RERANKED)) | run.result("usage"),
        "sacrebleu": {"version": sacrebleu.__version__, **evaluator.signatures()},
    }
    write_json(run.path / "results.json", results)
    plots = save_plots(run.path, steps, controls, grown, curves)
    nats = next(row["nats"] for row in last if (row["split"], row["decode"]) == ("test", "sample"))
    verdict = [*_headline(evidence, entropy, nats, related), seen.sentence]
    # What a gate ended comes first; that it stayed open is one more line.
    verdict = gate_sentence(run) + verdict if gate and gate[-1]["closes"] else verdict + gate_sentence(run)
    verdict += [f"WARNING: control {arm} is left out, and no gain is above it: {left_out[arm]}." for arm in left_out]
    verdict += warnings(steps, run.config["filter"])
    if not refreshes:  # which are what these warnings ask for
        verdict += [text for rows in watched for text in monitor_warnings(rows)]
    verdict += [text for record in refreshes for text in refresh_warnings(record)]
    parts = [
        f"# {name} on {run.config['task']}",
        *verdict,
        f"Agent `{run.config['agent']}`, seed {run.config['seed']}; all numbers in results.json.",
        *([evidence_table(evidence, name)] if evidence else []),
        "## Summary",
        _summary_table(results["summary"]),
        "## Test sources, by step",
        _step_table(steps + controls, "test"),
        "## Validation sources, by step",
        _step_table(steps + controls, "validation"),
        "## Data of each Improve step",
        _data_table(steps),
        *_rewrites(results["rewrites"]),
        *gate_parts(run),
        *_interference(seen.changes),
        "## Guards",
        f"Test translations that break a rule. {guards_note}",
        guard_table(guard_counts),
        *monitor_parts(*watched),
        *_refreshes(refreshes),
        *_scorer_tests(tests),
        "## Plots",
        *(f"![{name}]({name})" for name in plots),
        f"## {NUM_EXAMPLES} test sentences before and after",
        examples(lines[shown[0]], lines[shown[1]], shown),
        "; ".join(f"{score.title} `{results['sacrebleu'].get(name)}`" for name, score in CORPUS_SCORES.items()) + ".",
    ]
    write_text(run.path / "results.md", "\n\n".join(parts) + "\n")
    provenance = {f"sacrebleu {name}": value for name, value in results["sacrebleu"].items()}
    write_run_page(run, parts[: parts.index("## Plots")], steps, curves, lines, shown, hits, seen.changes, provenance)
    print(_summary_table(results["summary"]))
    print("\n".join(verdict))


def _headline(
    evidence: Sequence[Comparison], entropy: Mapping[str, float], nats: float, related: bool | None
) -> list[str]:
    """Sentences: what stands above the best control, and what would look like a gain and is lower entropy.

    Where nobody knows true quality, references and a judge of another make than the scorer are two witnesses.

    Args:
        evidence: Comparisons with the controls.
        entropy: Record of the supervised policy at the entropy of the last one, if that was measured.
        nats: Entropy of the last policy.
        related: Whether the judge is of the scorer's make.
    """
    likeliest = [[each for each in evidence if each.decode == decode][:1] for decode in ("greedy", "beam")]
    sharpened = [each for each in evidence if each.control == EQUAL_ENTROPY][:1]
    judged = [each for each in evidence if (each.decode, each.measure) == ("greedy", "judge")]
    witnesses = [*chain(*likeliest), *([] if related or (evidence and evidence[0].measure == "oracle") else judged)]
    lines = [f"{str(each)[0].upper()}{str(each)[1:]}." for each in (*witnesses, *sharpened)]
    if all(each.control == EQUAL_ENTROPY for each in evidence):
        lines.insert(0, "No control was trained, so nothing is shown of what raised the numbers below.")
    if not evidence:
        return lines
    if sharpened:
        given = "the last policy's entropy" if entropy["nats"] >= nats else f"most, and not the {nats:.3f} of the last"
        lines[-1] += (
            f" That is the supervised policy, not trained further, at the temperature that gives it {given}: "
            f"{entropy['temperature']:.2f}, {entropy['nats']:.3f} nats per token."
        )
    return [*lines, "Intervals are over the test sources of this one run; other seeds: summarise_runs.py."]


def learning_curves(run: RunFolder, of_run: str = "ReST") -> dict[str, dict[str, list[list[float]]]]:
    """Points over gradient tokens since the supervised policy, by name of what trained: the run's or an arm's.

    Returns:
        For each, lists of tokens and value: ``validation_reward`` at every evaluation, and ``greedy_reward`` and
        ``greedy_oracle`` of the test sources at the end of each stage that was measured.
    """
    first, *steps = rest_stages(run.path)
    curves = {}
    for name in (of_run, *get_args(Arm)):
        stages = steps if name == of_run else [f"{arm_stage(name)}-{step}" for step in steps]
        if not steps or not all(run.has(stage) for stage in stages):
            continue
        spent, curve = 0, _measured(run.result(first), 0)
        for stage in stages:
            rows = run.result(stage)
            curve["validation_reward"] += [[spent + tokens, value] for tokens, value in rows[0]["curve"]]
            spent += rows[0]["train_tokens"]
            # Of an arm only the last policy is measured, under the arm's own name.
            ended = arm_stage(name) if name != of_run and stage == stages[-1] and run.has(arm_stage(name)) else stage
            for measure, points in _measured(run.result(ended), spent).items():
                curve[measure] += points
        curves[name] = curve
    return curves


def _measured(rows: Sequence[Row], spent: int) -> dict[str, list[list[float]]]:
    greedy = rows_of_test([row for row in rows if "split" in row], "greedy")
    points: dict[str, list[list[float]]] = {"validation_reward": []}
    for measure in ("reward", "oracle"):
        points[f"greedy_{measure}"] = [[spent, row[measure]] for row in greedy if row[measure] is not None]
    return points


def _interference(changes: Sequence[Change]) -> list[str]:
    """Parts of the page."""
    if not changes:
        return []
    return [
        "## What rises together, and what parts",
        "Changes of greedy translations since the supervised policy, source by source, with 95 % intervals. A reward "
        "that rises while true quality, or a judge of another make, falls has been hacked.",
        interference_table(changes),
    ]


def _rewrites(rows: Sequence[Row]) -> list[str]:
    """Parts of the page."""
    if not rows:
        return []
    names = {
        "grow_step": "Grow step", "samples": "distinct samples", "rewritten": "rewritten", "changed": "changed",
        "kept_tokens": "share of tokens kept", "mean_reward_before": "mean reward before",
        "mean_reward_after": "mean reward after", "passed": "pass the filter",
    }  # fmt: skip
    return [
        "## Rewrites",
        "Samples that the first filter of a Grow step refused, written anew from their first bad token on.",
        table([*names.values()], ([number(row.get(name)) for name in names] for row in rows)),
    ]


def _scorer_tests(tests: Mapping[str, Mapping[str, Row]]) -> list[str]:
    """Parts of the page; ``tests`` by stage and kind."""
    kinds = list(dict.fromkeys(kind for of_stage in tests.values() for kind in of_stage))
    if not kinds:
        return []
    rows = ([kind, *(share(each[kind]["falls"]) if kind in each else "-" for each in tests.values())] for kind in kinds)
    cases = (str(max((row["cases"] for row in each.values()), default=0)) for each in tests.values())
    return [
        "## Unit tests of the scorer on each policy's translations",
        "Share whose score falls of greedy translations that the oracle finds right, corrupted: a scorer whose score "
        "does not fall rewards what the policy may learn next.",
        table(["unit test", *map(stage_name, tests)], [*rows, ["translations, at most", *cases]]),
    ]


def _refreshes(records: Sequence[Row]) -> list[str]:
    """Parts of the page."""
    if not records:
        return []
    tested = [records[0]["unit_tests"]["before"], *(record["unit_tests"]["after"] for record in records)]
    columns = ["unit test", "first scorer", *(f"refreshed at Grow {record['grow']}" for record in records)]
    rows = [[kind, *(share(each[kind]["falls"]) for each in tested)] for kind in tested[0]]
    return [
        "## Refreshed scorer",
        "\n".join(f"- {refresh_sentence(record)}, `{record['after'][:12]}`" for record in records),
        "Share of corrupted validation references whose score falls:",
        table(columns, rows),
    ]


def warnings(steps: Sequence[Row], kind: str) -> list[str]:
    """Sentences on rewards that tell nothing apart, and on filters that did not do what Algorithm 1 has them for."""
    sentences = []
    if {row["reward"] for row in steps} in ({0.0}, {1.0}):
        sentences.append(
            f"WARNING: every reward is {steps[0]['reward']:g}: nothing can be learned from the scorer; check it on "
            "translations whose quality you know."
        )
    for row in (row for row in steps if row["improve"] and row["split"] == "validation"):
        if row["kept_fraction"] == 0:
            sentences.append(
                f"WARNING: nothing was trained at {step_name(row)}: the {kind} filter at {row['threshold']:g} keeps "
                "nothing; give lower --filter-values, or a filter within each source."
            )
        elif kind == "threshold" and row["improve"] == 1 and _is_low(row["threshold"], row["data_reward"]):
            sentences.append(
                f"WARNING: the threshold {row['threshold']:g} of {step_name(row)} is not above the mean reward of its "
                f"data, {row['data_reward']:.3f}, as Algorithm 1 has it; give higher --filter-values."
            )
    return sentences


def _is_low(threshold: float | None, data_reward: float) -> bool:
    """Whether a filter's threshold, where the step has one, is not above the mean reward of its data."""
    return threshold is not None and threshold <= data_reward


def _rows(run: RunFolder, stage: str) -> list[Row]:
    grow, improve = step_of(stage)
    return [{"grow": grow, "improve": improve, **row} for row in run.result(stage)]


def _step_table(rows: Sequence[Row], split: str) -> str:
    every = ("reward", "oracle", "judge", "bleu", "chrf", "ter", "nats", "length_ratio", "train_tokens", "seconds")
    columns = [name for name in every if any(row[name] is not None for row in rows)]
    cells = (
        [step_name(row), row["decode"], *(number(row[c]) for c in columns)] for row in rows if row["split"] == split
    )
    return table(["step", "decoding", *(HEADS[name] for name in columns)], cells)


def _data_table(rows: Sequence[Row]) -> str:
    columns = ("data_reward", "threshold", "kept_fraction", "sources_without_data", "distinct_samples")
    steps = (row for row in rows if row["improve"] and row["split"] == "validation")
    return table(
        ["step", *(HEADS[name] for name in columns)],
        ([step_name(row), *(number(row[c]) for c in columns)] for row in steps),
    )


def _summary_table(gains: Mapping[str, float | None]) -> str:
    head = ("measure (test sources; samples at the Grow temperature unless greedy)", "value")
    return table(head, ((_in_words(name), number(value)) for name, value in gains.items()))


def _in_words(name: str) -> str:
    words = {"bleu": "BLEU", "chrf": "chrF", "gib": "GiB", "n": "N", "ter": "TER", "oracle": "true quality"}
    return " ".join(words.get(word, word) for word in name.split("_"))
