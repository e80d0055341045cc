"""Videos that were sampled already: every file is scored, or counted with the reason, and told in one line."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ivbench.adapters import Request, generator_source, open_door
from ivbench.adapters.videos import VideosFolder
from ivbench.cli.main import main
from ivbench.config import parse_suite
from ivbench.data.shapes.captions import prompts as captions
from ivbench.errors import ConfigError, UnreadableError
from ivbench.plan import Plan, build_plan
from ivbench.results.files import read_results
from ivbench.results.store import Store
from ivbench.run import Outcome, Silent, score_plan
from ivbench.testing import AdapterError, check_adapter
from tests.run.test_generator import ASKED, GeneratorModels
from tests.run.toys import EXTRACTORS

PROMPTS = captions("test")[:4]
SUITE = {key: ASKED[key] for key in ("name", "metrics", "reference", "gallery")}


def video(seed: int, frames: int = 4, size: tuple[int, int] = (12, 20)) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (frames, *size, 3)).astype(np.uint8)


def write_all(folder: Path) -> Path:
    """Two samples of four prompts, as npz with a rate; of the second prompt the samples are the same file."""
    folder.mkdir(parents=True)
    for place, prompt in enumerate(PROMPTS):
        for sample in (0, 1):
            np.savez(folder / f"{prompt}-{sample}.npz", video=video(10 * place + sample), fps=6.0)
    return folder


def plan(generator: VideosFolder, **changes: Any) -> Plan:
    asked = parse_suite({**SUITE, "prompts": {"source": "videos"}, **changes})
    digests = {name: EXTRACTORS[name].digest for name in EXTRACTORS}
    return build_plan(asked, generator_source(generator, "videos:x"), extractors=digests)


def run(folder: Path, at: Path, **changes: Any) -> Outcome:
    generator = VideosFolder(str(folder))
    store = Store(at / "store")
    return score_plan(
        plan(generator, **changes), store, GeneratorModels(generator), Silent(), at / "out", "ivbench run"
    )


def test_sound_videos_are_all_used(tmp_path: Path) -> None:
    outcome = run(write_all(tmp_path / "in"), tmp_path)
    (cell,) = outcome.results.cells
    assert (cell.label, cell.costs, cell.guidance_w) == ("default", [], None)
    counts = cell.scores[0].counts
    assert (counts.generated, counts.failed, counts.used) == (8, 0, 8)
    assert outcome.results.cascade.stages[0].kind == "videos"
    store = Store(tmp_path / "store")
    for task in plan(VideosFolder(str(tmp_path / "in"))).sample:
        assert (store.get(task.id) or {}).keys() == {"rows"}  # the store has no copy of the videos
    assert run(tmp_path / "in", tmp_path).computed == 0


def test_every_file_that_is_not_used_is_counted_and_told(tmp_path: Path) -> None:
    folder = write_all(tmp_path / "in")
    shutil.copy(folder / f"{PROMPTS[0]}-0.npz", folder / f"{PROMPTS[0]}-1.npz")
    (folder / f"{PROMPTS[1]}-0.npz").write_bytes(b"")
    np.savez(folder / f"{PROMPTS[2]}-1.npz", video=video(5, frames=3), fps=6.0)
    (folder / f"{PROMPTS[3]}-1.npz").unlink()
    np.savez(folder / f"{PROMPTS[3]}-0.npz", video=video(6), fps=3.0)
    (folder / "stray.gif").write_bytes(b"GIF89a")
    outcome = run(folder, tmp_path, video={"frames": 4, "height": 12, "width": 20, "fps": 6})
    for score in outcome.results.cells[0].scores:
        counts = score.counts
        assert (counts.generated, counts.failed, counts.used) == (8, 5, 3)
        assert (counts.duplicate, counts.undecodable, counts.too_short, counts.missing) == (1, 1, 1, 1)
        assert any(note.startswith("5 of 8 videos are not in this number: ") for note in score.notes)
    told = "\n".join(outcome.results.notes)
    for said in (
        "is the same file as",
        "cannot be read",
        "has 3 frames, 4 are needed",
        "there is no video 2",
        "fewer than",
    ):
        assert said in told
    assert "1 files have no prompt, such as stray.gif" in outcome.results.cascade.description
    assert run(folder, tmp_path, video={"frames": 4, "height": 12, "width": 20, "fps": 6}).computed == 0


def test_a_changed_file_is_computed_again_alone(tmp_path: Path) -> None:
    folder = write_all(tmp_path / "in")
    before = plan(VideosFolder(str(folder)))
    np.savez(folder / f"{PROMPTS[0]}-0.npz", video=video(99), fps=6.0)
    after = plan(VideosFolder(str(folder)))
    same = {task.id for task in before.sample} & {task.id for task in after.sample}
    assert (len(before.sample), len(same)) == (2, 1)
    assert before.cells[0].id != after.cells[0].id


def test_samples_may_be_runs(tmp_path: Path) -> None:
    outcome = run(write_all(tmp_path / "in"), tmp_path, runs=2)
    assert [len(score.runs) for score in outcome.results.cells[0].scores] == [2] * 4
    assert outcome.results.suite.seeds == [0, 1]


def test_nothing_can_be_swept(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"guidance: generator .* Allowed: none"):
        plan(VideosFolder(str(write_all(tmp_path / "in"))), defaults={"guidance": 1})


def test_prompts_of_the_suite_without_a_video_are_missing(tmp_path: Path) -> None:
    folder = write_all(tmp_path / "in")
    outcome = run(folder, tmp_path, prompts={"texts": [PROMPTS[0], "a prompt that nobody sampled"]})
    assert outcome.results.cells[0].scores[0].counts.missing == 2


def test_a_zip_is_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = write_all(tmp_path / "in")
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path, "in")
    zipped = VideosFolder(archive)
    assert zipped.weights == VideosFolder(str(folder)).weights
    assert zipped.spec.name == "zipped"
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as file:
        file.writestr("../a-0.npy", b"")
    with pytest.raises(ConfigError, match="leads out of the folder"):
        VideosFolder(str(tmp_path / "out.zip"))
    Path(archive).write_bytes(Path(archive).read_bytes()[:200])
    with pytest.raises(UnreadableError, match="cannot be unpacked"):
        VideosFolder(archive)


def write_frames(folder: Path, seed: int) -> Path:
    folder.mkdir(parents=True)
    for number, frame in enumerate(video(seed)):
        Image.fromarray(frame).save(folder / f"frame-{number}.png")
    return folder


def test_a_zip_of_frames_is_a_sample_like_its_folder(tmp_path: Path) -> None:
    for place, prompt in enumerate(PROMPTS):
        frames = write_frames(tmp_path / "frames" / f"{prompt}-0", place)
        shutil.make_archive(str(tmp_path / "zips" / frames.name), "zip", frames)
    unpacked, zips = VideosFolder(str(tmp_path / "frames")), VideosFolder(str(tmp_path / "zips"))
    assert sorted(zips.files) == sorted(unpacked.files) == sorted(PROMPTS)
    for prompt in PROMPTS:
        request = Request((prompt,), (0,), {}, 4, 12, 20, 8.0)
        np.testing.assert_array_equal(zips._read(prompt, request), unpacked._read(prompt, request))
    outcome = run(tmp_path / "zips", tmp_path)
    assert outcome.results.cells[0].scores[0].counts.used == 4


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("root", ["", "in"])
def test_a_zip_of_frame_folders_or_of_zips_of_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, count: int
) -> None:
    """One folder of frames in a zip is a video, not the place where frames are videos of one frame each."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folders, zips = tmp_path / "folders", tmp_path / "zips"
    for place, prompt in enumerate(PROMPTS[:count]):
        frames = write_frames(folders / root / f"{prompt}-0", place)
        shutil.make_archive(str(zips / root / frames.name), "zip", frames)
    for folder in (folders, zips):
        found = VideosFolder(shutil.make_archive(str(folder), "zip", folder))
        assert sorted(found.files) == sorted(PROMPTS[:count])
        assert found.spec.shape == (4, 12, 20, 3)


@pytest.mark.parametrize(
    ("names", "said"), [(["a.npy"], "no file has a prompt"), (["a-0.npy"], "no file of .* can be read")]
)
def test_a_folder_without_videos_is_one_line(tmp_path: Path, names: list[str], said: str) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises((ConfigError, UnreadableError), match=said):
        VideosFolder(str(tmp_path))


def gif(path: Path, frames: Any) -> None:
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=125)


def encoded(path: Path, frames: Any, codec: str, pixels: str, times: Any = None) -> None:
    """A real file, as PyAV writes it; `times` in thirds of a second make the rate vary."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=8)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        for place, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixels)
            picture.pts = place if times is None else times[place]
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels", "times"),
    [
        ("mp4", "libx264", "yuv420p", None),
        ("mp4", "libx264", "yuv420p10le", None),
        ("mp4", "libx264", "gray", None),
        ("mkv", "ffv1", "yuv444p", None),
        ("mkv", "ffv1", "bgra", None),
        ("webm", "libvpx-vp9", "yuv420p", None),
        ("avi", "mjpeg", "yuvj420p", None),
        ("mkv", "libx264", "yuv420p", [0, 1, 2, 6, 7, 8, 9, 10]),
    ],
)
def test_real_files_of_many_kinds_are_read(tmp_path: Path, suffix: str, codec: str, pixels: str, times: Any) -> None:
    pytest.importorskip("av")
    frames = np.broadcast_to(np.linspace(0, 255, 32).astype(np.uint8)[None, None, :, None], (8, 18, 32, 3))
    encoded(tmp_path / f"a ramp-0.{suffix}", np.ascontiguousarray(frames), codec, pixels, times)
    generator = VideosFolder(str(tmp_path))
    assert generator.spec.shape == (8, 18, 32, 3)
    if times is None:
        assert generator.spec.fps == pytest.approx(8, rel=0.02)
    video = generator._read("a ramp", _request(generator))
    assert np.abs(video.astype(int) - frames).mean() < 12


def _request(generator: VideosFolder) -> Any:
    spec = generator.spec
    return Request(("a ramp",), (0,), {}, spec.frames, spec.height, spec.width, spec.fps)


def test_files_that_were_cut_off_and_odd_sizes(tmp_path: Path) -> None:
    """A file that was cut off is undecodable, never shorter in silence; odd sizes are cropped."""
    pytest.importorskip("av")
    frames = np.ascontiguousarray(
        np.broadcast_to(np.arange(0, 160, 10, dtype=np.uint8)[:, None, None, None], (16, 18, 32, 3))
    )
    encoded(tmp_path / "whole-0.mkv", frames, "ffv1", "bgra")
    whole = (tmp_path / "whole-0.mkv").read_bytes()
    (tmp_path / "cut-0.mkv").write_bytes(whole[: len(whole) // 2])
    encoded(tmp_path / "moov-0.mp4", frames, "libx264", "yuv420p")
    (tmp_path / "moov-0.mp4").write_bytes((tmp_path / "moov-0.mp4").read_bytes()[:-200])
    gif(tmp_path / "odd-0.gif", video(1, frames=16, size=(21, 33)))
    generator = VideosFolder(str(tmp_path))
    generator.spec = generator.spec.sized({"frames": 16, "height": 18, "width": 32, "fps": 8})
    request = _request(generator)
    kinds = {name: getattr(generator._read(name, request), "kind", "used") for name in ("whole", "cut", "moov", "odd")}
    assert kinds["whole"] == kinds["odd"] == "used"  # the GIF's 8.33 fps count as 8
    assert kinds["cut"] == kinds["moov"] == "undecodable"


def test_by_the_command_line(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.run.processes import environment, suite_file

    for name, value in environment(shipped, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    write_all(tmp_path / "in")
    (tmp_path / "in" / f"{PROMPTS[0]}-0.npz").write_bytes(b"")
    suite_file(
        tmp_path,
        prompts={"source": "videos"},
        metrics=[{"name": "clip_score", "extractor": "clip-probe"}],
        defaults={},
        grid=None,
        runs=1,
    )
    assert main(["run", "videos:in", "--suite", "suite.yaml", "--no-open", "--out", "out"]) == 0
    results = read_results(tmp_path / "out" / "results.json")
    assert results.cells[0].scores[0].counts.undecodable == 1
    page = (tmp_path / "out" / "report.html").read_text()
    assert "1 undecodable" in page
    assert "cannot be read" in page
    assert "Videos in on suite tiny-suite" in page
    assert open_door("videos:in").spec.kind == "videos"


def test_the_contract_is_checked_on_the_folders_own_prompts(tmp_path: Path) -> None:
    check_adapter(f"videos:{write_all(tmp_path / 'in')}")
    one = tmp_path / "one"
    one.mkdir()
    np.savez(one / f"{PROMPTS[0]}-0.npz", video=video(0), fps=6.0)
    check_adapter(f"videos:{one}")


class Deaf(VideosFolder):
    """Gives the first prompt's video for every prompt, and another one the second time."""

    asked = 0

    def _read(self, prompt: str, request: Request) -> Any:
        self.asked += 1
        found = super()._read(next(iter(self._files)), request)
        return found if self.asked < 3 else np.roll(found, self.asked, axis=1)


def test_a_folder_that_breaks_the_contract_is_told(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="gives another video the second time"):
        check_adapter(Deaf(str(write_all(tmp_path / "in"))))
