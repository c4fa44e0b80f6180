"""What the terminal shows while the workflow runs: what is done, where training is, how long it will take.

A logger plugin of Snakemake (``logger: h2cm`` in ``profiles/default``). Reasons, parameters and paths of single jobs go to Snakemake's
log only, ``.snakemake/log/``; errors and warnings are shown as ever. On a terminal the last lines are a line for each kind of job
that is running, and one for the whole run; they are redrawn in place, below what jobs write. Elsewhere (a file, a pipe) there is one
line for each finished job.

How far a training is, is read from the end of its own log, so that it works on a cluster too.
"""

from __future__ import annotations

import atexit
import os
import re
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from h2cm.workflow.job import ASKED, SHOWN

TO_THE_LOG = (
    LogEvent.WORKFLOW_STARTED,
    LogEvent.RUN_INFO,
    LogEvent.JOB_INFO,
    LogEvent.JOB_STARTED,
    LogEvent.JOB_FINISHED,
    LogEvent.GROUP_INFO,
    LogEvent.SHELLCMD,
    LogEvent.PROGRESS,
    LogEvent.RESOURCES_INFO,
)
CHATTER = (
    "Assuming unrestricted shared",
    "host: ",
    "Config file ",
    "Building DAG of jobs",
    "Using shell: ",
    "Conda environments: ignored",
    "Select jobs to execute",
    "Waiting at most",
    "Complete log(s): ",
    "Elapsed time: ",
    "Terminating processes on user request",
)
"""How messages begin that tell a user of the workflow nothing."""

REPEATED = (
    "CalledProcessError in file",
    "Exiting because a job execution failed",
    "At least one job did not complete successfully",
)
"""What the errors hold that say no more than what the failed job said itself."""

_PROGRESS = re.compile(
    r"(?P<what>[^:\s][^:\n]*?),? (?P<unit>epoch|step) (?P<done>\d+) of (?P<of>\d+): .*validation loss (?P<loss>\S+)"
)
_LAST = 4096  # bytes of a log that are read
_CONFIGURATION = re.compile(r"load_configfile.*No such file or directory: '(?P<file>[^']*)'", re.DOTALL)


@dataclass
class Job:
    """A job that has begun; times are those of a clock in seconds."""

    kind: str
    what: str
    logs: tuple[str, ...]
    begun: float
    ended: float | None = None
    earlier: dict[str, int] = field(init=False)
    """Length of each log before this attempt."""

    def __post_init__(self):
        self.earlier = {log: Path(log).stat().st_size if Path(log).is_file() else 0 for log in self.logs}

    def said(self) -> re.Match | None:
        """How far a training is, as its log says."""
        found = [match for log in self.logs for match in _PROGRESS.finditer(end_of(log, self.earlier[log]))]
        return found[-1] if found else None


def end_of(log: str | Path, start: int = 0) -> str:
    """The last lines of a log from a byte on, or from the first if the log was begun anew; empty where there is none."""
    try:
        with Path(log).open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(start if start <= length else 0, length - _LAST))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def kind_of(rule: str) -> str:
    """The kind of a job: its rule; where a job trains several folds, each has a rule of its own."""
    return "train" if rule.startswith("train_") else rule


def duration(seconds: float) -> str:
    """As people say it.

    >>> duration(7.4), duration(100), duration(5000)
    ('7 s', '2 min', '1 h 23 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@dataclass
class Course:
    """How a run goes: which jobs there are, which have begun and which have ended."""

    begun: float
    planned: dict[str, int] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)

    def plan(self, counts: dict[str, int]) -> None:
        """Take over how many jobs of each rule there are."""
        self.planned = {}
        for rule, count in counts.items():
            if rule not in ("total", "all"):
                self.planned[kind_of(rule)] = self.planned.get(kind_of(rule), 0) + count

    def of(self, kind: str, running: bool) -> list[Job]:
        """The jobs of a kind that are running, or that have ended."""
        return [job for job in self.jobs.values() if job.kind == kind and (job.ended is None) == running]

    @property
    def done(self) -> int:
        return sum(job.ended is not None for job in self.jobs.values())

    @property
    def total(self) -> int:
        return max(sum(self.planned.values()), len(self.jobs))

    def expected(self, job: Job, now: float) -> float | None:
        """How long a running job takes in all, as far as it says so itself."""
        said = job.said()
        return (now - job.begun) * int(said["of"]) / int(said["done"]) if said and int(said["done"]) else None

    def left(self, now: float) -> float | None:
        """Seconds until the end of the run, as far as can be told; None where nothing is known yet.

        A job is expected to take as long as it says itself, else as those of its kind did on average, else as the average job. Jobs
        are expected to run side by side as so far.
        """
        ended = [job.ended - job.begun for job in self.jobs.values() if job.ended is not None]
        work, busy = 0.0, sum(ended)
        for kind, planned in self.planned.items():
            running = self.of(kind, running=True)
            known = {id(job): self.expected(job, now) for job in running}
            durations = [job.ended - job.begun for job in self.of(kind, running=False)]
            waiting = max(0, planned - len(running) - len(durations))
            durations = durations or [one for one in known.values() if one is not None] or ended
            if not durations:
                return None
            typical = fmean(durations)
            for job in running:
                work += max(0.0, (known[id(job)] or typical) - (now - job.begun))
                busy += now - job.begun
            work += typical * waiting
        return work / max(1.0, busy / max(now - self.begun, 1e-9))

    def line(self, kind: str, now: float) -> str:
        """The line of a kind that is running."""
        parts = []
        for job in sorted(self.of(kind, running=True), key=lambda job: job.begun):
            text, said = job.what, job.said()
            if said:
                left = self.expected(job, now) - (now - job.begun)
                text = f"{said['what'] or text} {said['unit']} {said['done']} of {said['of']}, loss {said['loss']}, {duration(max(0, left))} left"
            parts.append(text)
        count = f"{len(self.of(kind, running=False))}/{self.planned.get(kind, '?')}"
        return f"{kind:<18} {count:>7}  {'; '.join(filter(None, parts))}"

    def whole(self, now: float) -> str:
        """The line of the run."""
        left = self.left(now)
        later = f", about {duration(left)} left" if left is not None and self.done < self.total else ""
        return f"{self.done} of {self.total} jobs, {duration(now - self.begun)}{later}"

    def finished(self, job: Job) -> str:
        """What is said of a job that has ended."""
        said = job.said()
        loss = f", {said['unit']} {said['done']} of {said['of']}, loss {said['loss']}" if said else ""
        what = f" {job.what}" if job.what else ""
        return f"{job.kind}{what}: {duration(job.ended - job.begun)}{loss}  [{self.whole(job.ended)}]"


class Lines:
    """The last lines of a terminal, redrawn every second; what others write scrolls above them.

    The terminal is told to scroll its upper part only. So nothing that a job writes is drawn over, as it would be by a library that
    moves the cursor up over its own lines (rich); another that scrolls so (enlighten) asks the terminal questions and reads its keys.

    Parameters
    ----------
    course : Course
    stream : text file
        A terminal.
    lock : RLock
        Held by whoever writes.
    number : int
        Lines, the last of which is that of the run.
    """

    def __init__(self, course: Course, stream, lock: threading.RLock, number: int = 4):
        self.course, self.stream, self.lock, self.number = course, stream, lock, number
        self.size, self.over = None, threading.Event()
        self.thread = threading.Thread(target=self._go_on, daemon=True)
        atexit.register(self.end)
        self.thread.start()

    def _go_on(self) -> None:
        while not self.over.wait(1):
            with self.lock:
                self.draw(time.monotonic())

    def draw(self, now: float) -> None:
        """Draw all lines, after the terminal was divided anew if its size is another."""
        size = os.get_terminal_size(self.stream.fileno())
        rows = size.lines - self.number
        if rows < self.number:
            return
        if size != self.size:
            self.size = size
            self.stream.write("\n" * self.number + f"\033[1;{rows}r\033[{rows};1H")
        running = [kind for kind in self.course.planned if self.course.of(kind, running=True)]
        texts = [self.course.line(kind, now) for kind in running[: self.number - 1]]
        texts = [""] * (self.number - 1 - len(texts)) + texts + [self.course.whole(now)]
        drawn = (f"\033[{rows + 1 + i};1H\033[2K{text[: size.columns - 1]}" for i, text in enumerate(texts))
        self.stream.write("\0337" + "".join(drawn) + "\0338")
        self.stream.flush()

    def end(self) -> None:
        """Take the lines away and give the terminal back."""
        if self.over.is_set():
            return
        self.over.set()
        with self.lock:
            if self.size:
                rows = self.size.lines - self.number
                self.stream.write(f"\033[r\033[{rows + 1};1H\033[J")
                self.stream.flush()


class LogHandler(LogHandlerBase):
    """Shows what `Course` says instead of most of Snakemake's messages."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self.out = ColorizingTextHandler(nocolor=self.common_settings.nocolor, stream=stream)
        self.drawing, self.course, self.lines = threading.RLock(), None, None
        self.plain = self.common_settings.dryrun or self.common_settings.verbose
        if not self.plain:
            os.environ[SHOWN] = "1"

    def emit(self, record) -> None:
        """Take note of what happens to jobs, and show what is to be shown."""
        with self.drawing:
            try:
                hidden = not self.plain and self.rewrite(record)
            except Exception as error:  # an account of jobs that fails must not hide what they say
                self.plain, hidden = True, False
                print(
                    f"h2cm.workflow.screen: {error!r}; from here on Snakemake's own messages are shown", file=sys.stderr
                )
            if not hidden:
                self.show(record)

    def rewrite(self, record) -> bool:
        """Put what is to be said in a record; True if that is nothing."""
        event = getattr(record, "event", None)
        text = self.note(event, record)
        if text is not None:
            record.msg, record.event = text, None
            return False
        if event == LogEvent.JOB_ERROR:
            return False
        message = str(record.msg)
        chatter = record.levelname == "INFO" and message.startswith(CHATTER)
        return event in TO_THE_LOG or chatter or not says_something_new(record)

    def show(self, record) -> None:
        """Write a record as Snakemake would."""
        self.out.setFormatter(self.formatter)
        self.out.emit(record)

    def note(self, event: LogEvent | None, record) -> str | None:
        """Keep account of a record; what is said instead of it, if anything."""
        now = time.monotonic()
        if event == LogEvent.RUN_INFO:
            self.course = Course(now)
            self.course.plan(record.stats)
            if self.out.is_tty and self.lines is None:
                self.lines = Lines(self.course, self.out.stream, self.drawing)
            return f"{self.course.total} jobs; what each does and why is in .snakemake/log, what it said in the logs of the run"
        if event == LogEvent.JOB_INFO and self.course and record.rule_name != "all":
            wildcards = dict(record.wildcards or {})
            what = " ".join(f"fold {value}" if name == "fold" else str(value) for name, value in wildcards.items())
            self.course.jobs[record.jobid] = Job(kind_of(record.rule_name), what, tuple(record.log or ()), now)
        if event == LogEvent.JOB_FINISHED and self.course and (job := self.course.jobs.get(record.job_id)):
            job.ended = now
            return self._finished(job, now)
        if event == LogEvent.JOB_ERROR:
            return failure(record.rule_name, record.log)
        if event == LogEvent.ERROR:
            return plainly(str(record.msg))
        return None

    def _finished(self, job: Job, now: float) -> str | None:
        if self.lines is None:
            return self.course.finished(job)
        durations = [one.ended - one.begun for one in self.course.of(job.kind, running=False)]
        if len(durations) < self.course.planned.get(job.kind, 0):
            return None  # the line of the kind says so
        jobs = f"{len(durations)} jobs, " if len(durations) > 1 else ""
        return f"{job.kind}: {jobs}{duration(now - min(one.begun for one in self.course.of(job.kind, running=False)))}"

    def close(self) -> None:
        """Take the lines away."""
        if self.lines is not None:
            self.lines.end()
            self.lines = None
        super().close()


def failure(rule: str, logs: Iterable[str]) -> str | None:
    """What is said of a failed job: what its log ends with, and where that is; None where there is no log."""
    said = [(str(log), end_of(log).strip()) for log in logs]
    said = [(log, text) for log, text in said if text]
    if not said:
        return None
    if any(ASKED in text.splitlines()[-1] for _, text in said):
        return f"{rule}: {ASKED}"
    ends = ["\n".join(text.splitlines()[-30:]) for _, text in said]
    return "\n".join([f"{rule} failed:", *ends, f"Its log: {', '.join(log for log, _ in said)}"])


def plainly(text: str) -> str | None:
    """A plain message for an error that Snakemake shows with the lines of its own code; None where that has to stand."""
    if found := _CONFIGURATION.search(text):
        return (
            f"--configfile: {found['file']}: there is no such file.\nEvery word after --configfile is taken for a file; what is to be "
            "made stands before it: snakemake --cores 2 all --configfile FILE"
        )
    if "Invalid config definition" in text:
        return "\n".join(
            [text.strip().splitlines()[-1].removeprefix("ValueError: "), *filter(None, map(in_sections, sys.argv))]
        )
    return None


def in_sections(argument: str) -> str:
    """How ``training.epochs=3`` is to be written; empty for anything else.

    >>> in_sections("training.epochs=3")
    "training.epochs=3: a key of a section is written as 'training={epochs: 3}'"
    """
    if not (found := re.fullmatch(r"(\w+)\.([\w.]+)=(.*)", argument)):
        return ""
    first, *rest = [found[1], *found[2].split(".")]
    inner = "".join(f"{{{name}: " for name in rest) + found[3] + "}" * len(rest)
    return f"{argument}: a key of a section is written as '{first}={inner}'"


def says_something_new(record) -> bool:
    """Whether a message says more than the failed job itself; within a job its failure is not one, as the run shows it."""
    return getattr(record, "event", None) != LogEvent.JOB_ERROR and not any(
        part in str(record.msg) for part in REPEATED
    )
