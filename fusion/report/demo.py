"""The report of ``chorus demo``: what was recorded, how well in step, trained and tracked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusion.report import recorded, tracked
from fusion.report.page import Page
from recordings.check import check
from recordings.reader import Recording, open_recording

if TYPE_CHECKING:
    from drivers.rig import Rig


def write_report(path: Path, session: Path, runs: Path, live: Path, rig: Rig) -> None:
    """Write the page.

    Args:
        path: of the page; not overwritten.
        session: the recording that was trained on.
        runs: folder of the training's logs.
        live: folder of the live run's outputs.
        rig: the simulated rig that was tracked live, with the seeds it ran with.

    Raises:
        DataError: a part of the demo left nothing to show.
        RecordingError: the recording can't be read, or the page is there already.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    page = Page(
        "Chorus: one road from device to pose",
        "A virtual body was recorded by a camera, six IMUs and a microphone, each with a clock of its own. "
        "A network was trained on the recording and tracked another motion live. The truth is known.",
    )
    with open_recording(session) as recording:
        _recorded(page, recording, session)
        _in_step(page, recording)
    page.section("Training", "Loss and 3D error by epoch; the validation part is the end of the session.")
    for metrics in sorted(runs.rglob("metrics.csv"))[-1:]:
        page.figure(tracked.training_curve(metrics), "Training curve")
    _tracked(page, live, rig)
    page.write(path)


def _recorded(page: Page, recording: Recording, session: Path) -> None:
    import cv2

    report = check(session)
    page.section("What was recorded", f"{session.name}, {recording.duration_s:.1f} s. chorus check says:")
    page.table(
        ("stream", "worn on", "samples", "lost", "unexplained", "rate [Hz]", "bound [ms]"),
        [
            (
                name,
                recording.all_streams[name].info.worn_on,
                found.samples,
                found.lost,
                found.unexplained,
                f"{found.rate_hz:.3f}",
                f"{found.time_bound_ms:.2f}",
            )
            for name, found in report.streams.items()
        ],
    )
    page.text("Sound." if report.ok else "Problems: " + "; ".join(report.problems))
    strip = recorded.pictures(recording)
    if strip is not None:
        page.image(cv2.imencode(".png", strip)[1].tobytes(), "Pictures of the camera")
    page.figure(recorded.traces(recording), "An IMU, the sound and the true actions, on one time axis")


def _in_step(page: Page, recording: Recording) -> None:
    errors, arrival = recorded.true_errors(recording), recorded.arrival_errors(recording)
    page.section(
        "In step",
        "Every simulated device's clock is wrong in a known way, so each error is known. "
        "Beside it the trivial way: believing the time of arrival, transport and all.",
    )
    bounds = {name: recording.streams[name].stamps["time_bound"] * 1e-6 for name in errors}
    page.table(
        ("stream", "corrected: RMS [ms]", "p99 [ms]", "by arrival: RMS [ms]", "within the claimed bound"),
        [
            (
                name,
                f"{np.sqrt(np.mean(error**2)):.3f}",
                f"{np.percentile(np.abs(error), 99):.3f}",
                f"{np.sqrt(np.mean(arrival[name] ** 2)):.3f}",
                f"{100 * np.mean(np.abs(error) <= bounds[name]):.1f} %",
            )
            for name, error in errors.items()
        ],
    )
    page.figure(recorded.sync(recording), "Error of corrected time against the truth, with the claimed bound")


def _tracked(page: Page, live: Path, rig: Rig) -> None:
    track = tracked.read_track(live / "poses.csv", rig)
    known = np.isfinite(track.errors_px)
    run = json.loads((live / "summary.json").read_text("utf-8"))
    latency = run["frame_latency"]
    page.section(
        "Tracked live",
        f"{run['poses']} fused poses in {run['seconds']:.1f} s ({run['poses_per_s']:.1f} a second), "
        f"{latency['p50_ms']:.0f} ms (median; p95 {latency['p95_ms']:.0f} ms) after the newest picture, "
        "all on this machine beside the simulated devices.",
    )
    page.table(
        ("measure", "fused, live", "trivial guess"),
        [
            (
                "3D error, MPJPE [mm]",
                f"{1000 * track.errors_m.mean():.0f}",
                f"{1000 * track.mean_pose_m:.0f} (mean pose)",
            ),
            ("2D error, median [px]", f"{np.median(track.errors_px[known]):.1f}" if known.any() else "-", ""),
            (
                "action right",
                f"{100 * track.action_accuracy:.0f} %",
                f"{100 * _majority(track):.0f} % (most frequent)",
            ),
        ],
    )
    film = live / "overlay.mp4"
    if film.exists():
        strip = tracked.film_strip(film)
        if strip is not None:
            page.image(strip, "Fused skeleton on the camera's pictures")
        page.text(f"The whole film: {film.relative_to(live.parent)}")
    page.figure(tracked.skeletons(track), "Fused skeleton (blue) and truth (grey)")
    page.figure(tracked.errors(track), "Error over time")


def _majority(track: tracked.Track) -> float:
    return max(track.true_action.count(a) for a in set(track.true_action)) / len(track.true_action)


def _mm(metres: float) -> str:
    return f"{1000 * metres:.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
