"""Copies beside the computing: nothing is used before it has come, nothing is written over before it was fetched."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.scorefile import content_hash  # noqa: E402
from gsm_bench.scoring import transfer  # noqa: E402
from gsm_bench.scoring.network import ForwardPool, Scorer  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare  # noqa: E402
from gsm_bench.scoring.run import run  # noqa: E402
from gsm_bench.scoring.transfer import PlainCopies, StreamCopies, copies_for  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402
from tests.waiting import until  # noqa: E402


class FakeCuda:
    """Streams and events that write down who asked what of whom."""

    def __init__(self, monkeypatch):
        self.log, self.current = [], "computing"
        fake = self

        class Stream:
            def __init__(self, device=None, name="copying"):
                self.name = name

            def wait_event(self, event):
                fake.log.append(f"{self.name} waits for {event.name}")

        class Event:
            count = 0

            def __init__(self, blocking=False):
                Event.count += 1
                self.name, self.blocking = f"event {Event.count}", blocking

            def record(self, stream):
                fake.log.append(f"{self.name} on {stream.name}")

            def synchronize(self):
                assert self.blocking, "whoever waits sleeps"
                fake.log.append(f"host waits for {self.name}")

        @contextmanager
        def stream(chosen):
            before, fake.current = fake.current, chosen.name
            yield
            fake.current = before

        whole = torch.Tensor.to

        def to(tensor, *arguments, **choices):
            if "non_blocking" in choices:
                fake.log.append(f"copy on {fake.current}")
            return whole(tensor, *arguments, **choices)

        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "stream", stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream(name="computing"))
        monkeypatch.setattr(torch.Tensor, "to", to)
        monkeypatch.setattr(
            torch.Tensor, "record_stream", lambda tensor, stream: fake.log.append(f"kept for {stream.name}")
        )
        monkeypatch.setattr(transfer, "_page_locked", lambda shape, dtype: torch.empty(shape, dtype=dtype))


def test_frames_come_on_a_stream_of_their_own_and_the_computing_waits_for_them(monkeypatch):
    fake = FakeCuda(monkeypatch)
    copies = StreamCopies(torch.device("cpu"))
    staged = copies.stage((2, 3))
    staged.fill_(7)
    upload = copies.send(staged)
    assert fake.log == ["copy on copying", "event 1 on copying"], "nobody waited"
    assert upload().tolist() == [[7] * 3] * 2
    assert fake.log[2:] == ["computing waits for event 1", "kept for computing"], "the host did not wait"


def test_scores_are_fetched_behind_their_pass_and_waited_for_when_they_are_needed(monkeypatch):
    fake = FakeCuda(monkeypatch)
    copies = StreamCopies(torch.device("cpu"))
    download = copies.fetch({"action": torch.tensor([[1.5, 2.5]], dtype=torch.bfloat16)})
    assert fake.log == ["event 1 on computing"]
    fetched = download()
    assert fake.log[1:] == ["host waits for event 1"]
    assert fetched["action"].dtype == np.float32
    assert fetched["action"].tolist() == [[1.5, 2.5]]


def test_which_copies_a_device_gets(monkeypatch):
    FakeCuda(monkeypatch)
    assert isinstance(copies_for(torch.device("cpu")), PlainCopies)
    assert isinstance(copies_for(torch.device("cuda")), StreamCopies)


class LateCopies(PlainCopies):
    """Copies that are done as late as a GPU may do them: bytes come when somebody waits for them, scores likewise.

    What is staged, and what an answer lies in, is spoilt once it has been copied: who reads it later gets nonsense.
    """

    def __init__(self, device, log):
        super().__init__(device)
        self.log = log

    def send(self, staged):
        self.log.append("send")
        sent = torch.full_like(staged, 99)

        def upload():
            if staged.numel():
                sent.copy_(staged)
                staged.fill_(55)
                staged.resize_(0)
            return sent

        return upload

    def fetch(self, scores):
        self.log.append("fetch")

        def download():
            self.log.append("download")
            return {task: values.float().cpu().numpy().copy() for task, values in scores.items()}

        return download


class WaitsForTwoUploads(LateCopies):
    """Copies whose first answer waits, until two batches are on their way."""

    uploads_at_first_download = None

    def fetch(self, scores):
        download = super().fetch(scores)

        def late_download():
            if type(self).uploads_at_first_download is None:
                until(lambda: self.log.count("send") >= 2, "a second batch")
                type(self).uploads_at_first_download = self.log.count("send")
            return download()

        return late_download


@pytest.fixture
def toys(workspace):
    make_clips(workspace, 24, lengths=(5, 20))
    make_checkpoint(workspace)
    return workspace


def score(workspace, resize):
    request = Request("toy_4f", resize=resize, threads=1, batch=4, out=workspace.root / f"{resize}.h5", fresh=True)
    job, loaded = prepare(request, load_manifest(workspace), workspace)
    return content_hash(run(job, loaded.network).path)


@pytest.mark.parametrize("resize", ["reader", "device"])
def test_a_run_does_not_depend_on_when_copies_are_done(toys, monkeypatch, resize):
    expected = score(toys, resize)
    log = []
    copies = LateCopies if resize == "reader" else WaitsForTwoUploads
    monkeypatch.setattr(transfer, "copies_for", lambda device: copies(device, log))
    monkeypatch.setattr(WaitsForTwoUploads, "uploads_at_first_download", None)
    monkeypatch.setattr(ForwardPool, "is_full", lambda self, batches, passes: batches > 2)
    assert score(toys, resize) == expected
    if resize == "device":
        assert WaitsForTwoUploads.uploads_at_first_download >= 2, "a batch is on its way before the first is answered"


def test_a_gpu_has_a_batch_at_work_one_on_its_way_and_one_more(toys):
    job, _ = prepare(Request("toy_4f", threads=2), load_manifest(toys), toys)
    with ForwardPool(job.settings) as forward_pool:
        assert not forward_pool.is_full(batches=9, passes=4)
        assert forward_pool.is_full(batches=1, passes=5)
        forward_pool.on_cpu = False
        assert not forward_pool.is_full(batches=2, passes=40)
        assert forward_pool.is_full(batches=3, passes=3)


def test_a_pass_is_given_away_before_its_answer_is_there(toys, monkeypatch):
    """The thread of the passes goes on to the next one while an answer is on its way."""
    log = []
    monkeypatch.setattr(transfer, "copies_for", lambda device: LateCopies(device, log))
    job, loaded = prepare(Request("toy_4f", threads=1, clips=2), load_manifest(toys), toys)
    with ForwardPool(job.settings) as forward_pool:
        scorer = Scorer(loaded.network, job.entry, job.settings, forward_pool)
        batch = transfer.HeldPixels(torch.zeros(2, 2, 4, 32, 32, 3, dtype=torch.uint8))
        for future in scorer.submit(batch):
            future.result()
    assert log == ["fetch", "fetch"]


@pytest.mark.parametrize("limit", [0, 1 << 30])
def test_several_threads_fill_a_buffer_with_the_same_bytes(monkeypatch, limit):
    """A part that is left out would be what lay in memory before."""
    monkeypatch.setattr(transfer, "FILLED_ALONE", limit)
    monkeypatch.setattr(PlainCopies, "stage", lambda self, shape: torch.full(shape, 255, dtype=torch.uint8))
    rng = np.random.default_rng(0)
    frames = {number: rng.integers(0, 200, (5, 7 + number % 2, 3), np.uint8) for number in range(1, 12)}
    with ThreadPoolExecutor(transfer.FILLERS) as fillers:
        alone = transfer.send_frames({1: frames}, PlainCopies(torch.device("cpu")))
        sent = transfer.send_frames({1: frames}, PlainCopies(torch.device("cpu")), fillers)
    assert sent.places == alone.places
    assert len(sent.uploads) == 2
    for size, upload in sent.uploads.items():
        assert torch.equal(upload(), alone.uploads[size]())
        assert upload().max() < 200


def test_a_thread_that_fails_to_fill_stops_the_batch(monkeypatch):
    monkeypatch.setattr(transfer, "FILLED_ALONE", 0)
    broken = np.zeros((5, 7, 2), np.uint8)
    frames = {1: np.zeros((5, 7, 3), np.uint8), 2: broken}  # not a picture of three channels
    with ThreadPoolExecutor(transfer.FILLERS) as fillers, pytest.raises(ValueError, match="broadcast"):
        transfer.send_frames({1: frames}, PlainCopies(torch.device("cpu")), fillers)
