"""The manifest of docs/scale.md, by the schemas of Kubernetes, and the share that its command takes for each index.

`.ci/libraries cluster` installs kubernetes-validate, which brings the schemas. No cluster is asked.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="kubernetes-validate is not installed, see .ci/libraries"
)
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed, see .ci/libraries")

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


@pytest.fixture
def job() -> dict[str, Any]:
    """The manifest as the page has it."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if "kind: Job" in block]
    manifest: dict[str, Any] = yaml.safe_load(found)
    return manifest


def test_kubernetes_knows_every_field(job: dict[str, Any]) -> None:
    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    job["spec"]["completionsMode"] = job["spec"].pop("completionMode")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)


def test_each_index_takes_a_share_of_its_own(job: dict[str, Any], tmp_path: Path) -> None:
    spec = job["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    rest = tmp_path / "rest"
    rest.write_text('#!/bin/sh\necho "$@"\n')
    rest.chmod(0o700)
    asked = set()
    for index in range(spec["completions"]):
        environment = os.environ | {"JOB_COMPLETION_INDEX": str(index), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run(container["command"], env=environment, capture_output=True, text=True, check=True)
        asked.add(done.stdout.strip())
    assert asked == {f"grow --config grow.yaml --shards {index}/{spec['completions']}" for index in range(64)}
