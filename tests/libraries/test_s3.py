"""S3: two workers fill one buffer on a server of its interface, and a third machine trains on it.

moto's server stands in for it; `.ci/libraries s3` installs both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("s3fs", reason="s3fs is not installed, see .ci/libraries")
server = pytest.importorskip("moto.server", reason="moto is not installed, see .ci/libraries")

import fsspec  # type: ignore[import-untyped]  # noqa: E402

from buffers import AsShare, GrowingBatchBuffer, ShardError, Threshold, grow  # noqa: E402
from buffers.admin.maintenance import describe  # noqa: E402
from seq2seq_env.scorers.scorer import Scorer  # noqa: E402
from seq2seq_env.tasks.task import Task  # noqa: E402
from tests.buffers.conftest import FakeSampler, contents  # noqa: E402
from tests.buffers.growing.conftest import SETTINGS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # its threads and sockets are the garbage collector's


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket's folder on a server of this machine."""
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}" if host == "0.0.0.0" else f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.filesystem("s3").mkdir("bucket")
    yield "s3://bucket/runs/buffer"
    running.stop()


def test_shares_give_the_bytes_of_one_folder_and_a_loss_is_noticed(
    url: str, tiny_task: Task, fake_scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = GrowingBatchBuffer(tmp_path / "whole", task=tiny_task)
    grow(FakeSampler(tiny_task), fake_scorer, tiny_task, whole, **SETTINGS)
    for worker in (1, 0):
        monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / f"worker-{worker}"))
        buffer, share = GrowingBatchBuffer(url, task=tiny_task), {"workers": AsShare(worker, 2)}
        grow(FakeSampler(tiny_task), fake_scorer, tiny_task, buffer, **SETTINGS | share)
    files = fsspec.filesystem("s3")
    assert {name: files.cat(f"{url}/{name}") for name in contents(whole.path)} == contents(whole.path)

    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "trainer"))
    (step,), (wanted,) = describe(url), describe(whole.path)
    assert (step.missing_shards, step.bytes, step.mean_reward) == ([], wanted.bytes, wanted.mean_reward)
    chosen = [len(buffer.select(Threshold(0.5)).read()) for buffer in (GrowingBatchBuffer(url, tiny_task), whole)]
    assert chosen[0] == chosen[1] > 0

    files.rm(f"{url}/g001-s00001.h5")
    monkeypatch.setenv("SEQ2SEQ_ENV_CACHE", str(tmp_path / "later"))
    with pytest.raises(ShardError, match=r"g001-s00001\.h5' is lost: its commit is there, and the file is not"):
        GrowingBatchBuffer(url).select()
    with pytest.raises(OSError, match=r"'s3://nowhere/buffer' cannot be read \(.*bucket does not exist.*\); check its"):
        GrowingBatchBuffer("s3://nowhere/buffer")
