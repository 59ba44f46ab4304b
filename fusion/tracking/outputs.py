"""The folder of a run, and the sinks that write into it."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence
from pathlib import Path

from drivers.errors import ChorusError, ConfigError, RecordingError
from fusion.posture.rules import load_rules
from fusion.tracking.eachperson import EachPerson
from fusion.tracking.film import FilmSink
from fusion.tracking.folder import refuse_taken
from fusion.tracking.listeners import Listeners
from fusion.tracking.meter import Meter, Summary
from fusion.tracking.motionfiles import FILES
from fusion.tracking.options import LiveOptions
from fusion.tracking.rerunsink import RerunPictures, RerunSink, check_target, open_stream
from fusion.tracking.sinks import CsvSink, Sink
from fusion.tracking.sinkthread import SinkThread
from fusion.tracking.vmc import VmcSink
from fusion.tracking.watch import WatchSink


class Outputs:
    """Table, film and summary in a new folder; nothing that exists is overwritten.

    Args:
        options: where and what.

    Attributes:
        folder: the folder; it is made by :meth:`open`.
        films: whether a film is made.
        told: who is told what is noted beside each pose; add to it before the first.

    Raises:
        RecordingExists: the folder is there already and holds something.
        ConfigError: the rules of posture are none.
    """

    def __init__(self, options: LiveOptions) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self.folder = Path(options.output or f"sessions/live-{now:%Y%m%dT%H%M%SZ}")
        self.sinks: list[Sink] = []
        self.films = options.film
        self.told = Listeners()
        self._options = options
        unknown = [kind for kind in options.motion if kind not in FILES]
        if unknown:
            raise ConfigError(
                f"no file of motion is called {unknown[0]}", mend=f"--motion=[{','.join(FILES)}]"
            )
        if options.rerun is not None:
            check_target(options.rerun)
        self._rules = load_rules(options.posture) if options.posture else None
        refuse_taken(self.folder)

    def open(self, actions: Sequence[str], *, pictures: bool, threaded: bool) -> list[Sink]:
        """Make the folder and the sinks.

        Args:
            actions: names of the network's actions.
            pictures: whether there are pictures to make a film of.
            threaded: each sink runs in a thread of its own and never blocks.

        Raises:
            RecordingError: the folder cannot be written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._options.table:
                self._add(CsvSink(self.folder / "poses.csv", actions), threaded)
            for kind in dict.fromkeys(self._options.motion):
                self._add(self._motion(kind), threaded)
            if self._options.rerun is not None:
                stream = open_stream(self._options.rerun, self.folder / "run.rrd")
                self._add(RerunSink(stream, actions), threaded)
                if pictures:
                    self._add(RerunPictures(stream), threaded)
            if self._options.vmc is not None:
                self._add(VmcSink(self._options.vmc, self._options.people), threaded)
            if self._options.events or self._rules is not None:
                self._add(WatchSink(self.folder, actions, self._rules, self.told), threaded)
            if self.films and pictures:
                path = self.folder / "overlay.mp4"
                self._add(FilmSink(path, actions, self._options.film_width), threaded)
        except OSError as error:
            raise RecordingError(
                f"{self.folder} cannot be written to: {error.strerror}",
                mend="Give another folder with --output",
            ) from error
        return self.sinks

    def _motion(self, kind: str) -> Sink:
        """Return a file of motion, or one a person."""
        make, rate_hz = FILES[kind], self._options.features.rate_hz
        if self._options.people == 1:
            return make(self.folder / f"motion.{kind}", rate_hz)
        folder = self.folder

        def of_person(person: int, start: int) -> Sink:
            return make(folder / f"motion_person{person:02d}.{kind}", rate_hz, start)

        return EachPerson(kind, of_person)

    def _add(self, sink: Sink, threaded: bool) -> None:
        self.sinks.append(SinkThread(sink) if threaded else sink)

    def close(self, meter: Meter) -> Summary:
        """Finish all outputs, write summary.json and return the summary.

        Raises:
            RecordingError: an output failed; the others are whole.
        """
        failed: list[str] = []
        for sink in self.sinks:
            try:
                sink.close()
            except (OSError, ValueError, ChorusError) as error:
                failed.append(f"{sink.name} ({' '.join(str(error).split())})")
        dropped = {s.name: s.dropped for s in self.sinks if isinstance(s, SinkThread) and s.dropped}
        summary = meter.summary(dropped)
        if self.folder.is_dir():
            with contextlib.suppress(FileExistsError):
                summary.write(self.folder / "summary.json")
        if failed:
            raise RecordingError(
                f"the output {', '.join(failed)} in {self.folder} failed",
                mend="Free some space, or give another folder with --output",
            )
        return summary
