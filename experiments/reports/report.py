"""The report of a growing-batch run: results.json, results.md, report.html, plots, and examples side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from buffers import GrowingBatchBuffer
from experiments.reports.evidence import Comparison, comparisons, evidence_table
from experiments.reports.guard_counts import any_hit, counts, guard_table, run_guards, stage_hits
from experiments.reports.interference import Change, are_related, interference, interference_table, stage_values
from experiments.reports.plots import save_plots, step_name
from experiments.reports.run_page import write_run_page
from experiments.reports.tables import number, share, table, text_cell
from experiments.runs.arms import Arm, arm_stage
from experiments.runs.evaluation import Evaluator
from experiments.runs.run_folder import RunFolder, read_lines
from experiments.runs.stages import EQUAL_ENTROPY, translations_file
from seq2seq_env.atomic_files import write_json, write_text

NUM_EXAMPLES = 20

NUM_PARTED = 5
"""Of them, those that argue most against the reward."""

DECODES = ("sample", "greedy")

RERANKED = "best-of-n"
"""The stage of the supervised policy's samples reranked by reward."""

SCORER_TESTS = "scorer-unit-tests"
"""The stage of the scorer's unit tests on what the last policy writes."""

Row = dict[str, Any]

HEADS = {
    "reward": "learned reward",
    "oracle": "true quality",
    "judge": "judge",
    "bleu": "BLEU",
    "chrf": "chrF",
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

    steps = [row for stage in _stages(run) for row in _rows(run, stage)]
    controls = [
        {"step": arm, **row} for arm in get_args(Arm) if run.has(arm_stage(arm)) for row in run.result(arm_stage(arm))
    ]
    entropy = run.result(EQUAL_ENTROPY) if run.has(EQUAL_ENTROPY) else {}
    tests = run.result(SCORER_TESTS) if run.has(SCORER_TESTS) else {}
    evidence = comparisons([run.path])
    curves = learning_curves(run, name)
    lines = {step_name(_rows(run, stage)[0]): read_lines(run.path / translations_file(stage)) for stage in _stages(run)}
    guards, guards_note = run_guards(evaluator.task, evaluator.scorer)
    hits = {(step, decode): stage_hits(guards, each, decode) for step, each in lines.items() for decode in DECODES}
    guard_counts = {place: counts(each) for place, each in hits.items()}
    seen = interference(
        {step: stage_values(each, any_hit(hits[step, "greedy"])) for step, each in lines.items()},
        are_related(evaluator.scorer, evaluator.judge) if evaluator.judge else None,
    )
    results = {
        "config": run.config,
        "steps": steps,
        "controls": controls,
        "equal_entropy": entropy,
        "evidence": [each._asdict() for each in evidence],
        "interference": seen.record(),
        "guards": [{"step": step, "decode": decode, **each} for (step, decode), each in guard_counts.items()],
        "scorer_unit_tests": tests,
        "learning_curves": curves,
        "summary": summary(steps, controls, run.result(RERANKED)) | run.result("usage"),
        "sacrebleu": {"version": sacrebleu.__version__, **evaluator.signatures()},
    }
    write_json(run.path / "results.json", results)
    buffer = GrowingBatchBuffer(run.path / "buffer")
    grown = {g: buffer.select(grow_step=g) for g in buffer.grow_steps}
    plots = save_plots(run.path, steps, controls, grown, curves)
    parts = [
        f"# {name} on {run.config['task']}",
        *_headline(evidence, entropy),
        seen.sentence,
        *warnings(steps, run.config["filter"]),
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
        *_interference(seen.changes),
        "## Guards",
        f"Test translations that break a rule. {guards_note}",
        guard_table(guard_counts),
        *_scorer_tests(tests),
        "## Plots",
        *(f"![{name}]({name})" for name in plots),
        f"## {NUM_EXAMPLES} test sentences before and after",
        _examples(*(lines[step_name(_rows(run, stage)[0])] for stage in (_stages(run)[0], _stages(run)[-1]))),
        f"BLEU `{results['sacrebleu'].get('bleu')}`; chrF `{results['sacrebleu'].get('chrf')}`.",
    ]
    write_text(run.path / "results.md", "\n\n".join(parts) + "\n")
    provenance = {f"sacrebleu {name}": value for name, value in results["sacrebleu"].items()}
    write_run_page(run, parts[: parts.index("## Plots")], steps, curves, lines, hits, seen.changes, provenance)
    print(_summary_table(results["summary"]))
    print("\n".join([*_headline(evidence, entropy), seen.sentence, *warnings(steps, run.config["filter"])]))


def _headline(evidence: Sequence[Comparison], entropy: Mapping[str, float]) -> list[str]:
    """Sentences: what stands above the best control, and what would look like a gain and is lower entropy."""
    if not evidence:
        return ["No control was trained, so nothing is shown of what raised the numbers below."]
    greedy = [each for each in evidence if each.decode == "greedy"][:1]
    sharpened = [each for each in evidence if each.control == EQUAL_ENTROPY][:1]
    lines = [f"{str(each)[0].upper()}{str(each)[1:]}." for each in (*greedy, *sharpened)]
    if sharpened:
        lines[-1] += (
            " That is the supervised policy, not trained further, at the temperature that gives it the last policy's "
            f"entropy: {entropy['temperature']:.2f}, {entropy['nats']:.3f} nats per token."
        )
    return [*lines, "Intervals are over the test sources of this one run; other seeds: summarise_runs.py."]


def learning_curves(run: RunFolder, of_run: str = "ReST") -> dict[str, dict[str, list[list[float]]]]:
    """Points over gradient tokens since the supervised policy, by name of what trained: the run's or an arm's.

    Returns:
        For each, lists of tokens and value: ``validation_reward`` at every evaluation, and ``greedy_reward`` and
        ``greedy_oracle`` of the test sources at the end of each stage that was measured.
    """
    first, *steps = _stages(run)
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
    greedy = _test_rows([row for row in rows if "split" in row], "greedy")
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


def _scorer_tests(tests: Mapping[str, Row]) -> list[str]:
    """Parts of the page."""
    if not tests:
        return []
    rows = (
        [name, number(row["cases"]), share(row["falls"]), number(row["mean_fall"]), number(row["effect_size"])]
        for name, row in tests.items()
    )
    return [
        "## Unit tests of the scorer on the last policy's translations",
        "Its greedy translations that the oracle finds right, corrupted: a scorer whose score does not fall rewards "
        "what the policy may learn next.",
        table(["unit test", "cases", "score falls", "mean fall", "effect size"], rows),
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
        elif kind == "threshold" and row["improve"] == 1 and (row["threshold"] or 1) <= row["data_reward"]:
            sentences.append(
                f"WARNING: the threshold {row['threshold']:g} of {step_name(row)} is not above the mean reward of its "
                f"data, {row['data_reward']:.3f}, as Algorithm 1 has it; give higher --filter-values."
            )
    return sentences


def summary(steps: Sequence[Row], controls: Sequence[Row], reranked: Mapping[str, float]) -> dict[str, float | None]:
    """What the run gained on the test sources: last step against the supervised policy, and against the best control.

    ``shortfall_closed`` is the share of what the supervised policy lacked to a mean reward of 1, None where it lacked
    nothing; the gain above the control takes off what the same tokens give without Grow. ``gap_to_best_of_n_closed``
    is how far one sample of the last policy comes from the mean to the best of N samples of the supervised one.
    """
    sampled, greedy = _test_rows(steps, "sample"), _test_rows(steps, "greedy")
    first, last, first_greedy, last_greedy = sampled[0], sampled[-1], greedy[0], greedy[-1]
    lacking, gap = 1 - first["reward"], reranked["best"] - reranked["mean"]
    gains: dict[str, float | None] = {
        "reward_before": first["reward"],
        "reward_after": last["reward"],
        "shortfall_closed": (last["reward"] - first["reward"]) / lacking if lacking else None,
        "greedy_bleu_change": last_greedy["bleu"] - first_greedy["bleu"],
        "greedy_chrf_change": last_greedy["chrf"] - first_greedy["chrf"],
        "best_of_n_before": reranked["best"],
        "gap_to_best_of_n_closed": (last["reward"] - reranked["mean"]) / gap if gap else None,
        "sample_bleu_change": last["bleu"] - first["bleu"],
    }
    if first["judge"] is not None:
        gains |= {"judge_before": first["judge"], "judge_after": last["judge"]}
    if first["oracle"] is not None:
        risen = last["reward"] - first["reward"]
        gains |= {
            "oracle_before": first["oracle"],
            "oracle_after": last["oracle"],
            "oracle_gain_to_reward_gain": (last["oracle"] - first["oracle"]) / risen if risen else None,
        }
    if controls:
        best = max(row["reward"] for row in _test_rows(controls, "sample"))
        gains |= {
            "reward_best_control": best,
            "shortfall_closed_by_best_control": (best - first["reward"]) / lacking if lacking else None,
            "shortfall_closed_above_best_control": (last["reward"] - best) / lacking if lacking else None,
            "greedy_bleu_above_best_control": last_greedy["bleu"]
            - max(row["bleu"] for row in _test_rows(controls, "greedy")),
        }
    return gains


def _stages(run: RunFolder) -> list[str]:
    grows, improves = run.config["grow_steps"], run.config["improve_steps"]
    return ["g0i0", *(f"g{g}i{i}" for g in range(1, grows + 1) for i in range(1, improves + 1))]


def _rows(run: RunFolder, stage: str) -> list[Row]:
    grow, improve = stage[1:].split("i")
    return [{"grow": int(grow), "improve": int(improve), **row} for row in run.result(stage)]


def _test_rows(rows: Sequence[Row], decode: str) -> list[Row]:
    return [row for row in rows if (row["split"], row["decode"]) == ("test", decode)]


def _step_table(rows: Sequence[Row], split: str) -> str:
    every = ("reward", "oracle", "judge", "bleu", "chrf", "nats", "length_ratio", "train_tokens", "seconds")
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
    words = {"bleu": "BLEU", "chrf": "chrF", "gib": "GiB", "n": "N", "oracle": "true quality"}
    return " ".join(words.get(word, word) for word in name.split("_"))


def _examples(before: Sequence[Row], after: Sequence[Row]) -> str:
    """Greedy translations by the supervised and the last policy: first where they argue against the reward.

    Then evenly spread over the test sentences that changed, and others only where these are too few.
    """
    quality = next((f"greedy_{name}" for name in ("oracle", "judge") if f"greedy_{name}" in before[0]), None)
    rows = range(len(before))
    parted = {row: _parted(before[row], after[row], quality) for row in rows}
    first = sorted((row for row in rows if parted[row]), key=lambda row: -parted[row])[:NUM_PARTED]
    changed = [row for row in rows if before[row]["greedy"] != after[row]["greedy"]]
    same = sorted(set(rows) - set(changed))
    chosen = first + _spread([row for row in changed if row not in first], NUM_EXAMPLES - len(first))
    chosen += _spread(same, NUM_EXAMPLES - len(chosen))
    cells = []
    for row in chosen:
        cells.append([text_cell(before[row]["source"]), text_cell(before[row]["reference"])])
        for each in (before[row], after[row]):
            known = "-" if quality is None else f"{each[quality]:.2f}"
            cells[-1] += [text_cell(each["greedy"]), f"{each['greedy_reward']:.2f}, {known}"]
    what = {None: "quality", "greedy_oracle": "true quality", "greedy_judge": "judge"}[quality]
    scores = f"reward, {what}"
    head = ("source", "reference", "supervised", scores, "last step", scores)
    counted = f"{len(changed)} of {len(before)} translations changed."
    if first and quality is not None:
        one, other = (f"{each[first[0]]['greedy_reward']:.2f}" for each in (before, after))
        high, low = (f"{each[first[0]][quality]:.2f}" for each in (before, after))
        counted += f" The first row has the reward rise ({one} to {other}) where {what} fell most ({high} to {low})."
    return f"{counted}\n\n{table(head, cells)}"


def _parted(before: Row, after: Row, quality: str | None) -> float:
    """How far the reward rose and the quality fell, together; 0 where they did not."""
    if quality is None:
        return 0.0
    risen, fallen = after["greedy_reward"] - before["greedy_reward"], before[quality] - after[quality]
    return float(risen + fallen) if risen > 0 < fallen else 0.0


def _spread(rows: list[int], count: int) -> list[int]:
    """``count`` of the rows, evenly spread; all where there are not more."""
    return rows if len(rows) <= count else [rows[len(rows) * place // count] for place in range(count)]
