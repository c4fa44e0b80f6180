"""What the terminal shows of a run: the account of its jobs, the lines at the bottom, and what it must not hide."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import types
from pathlib import Path

import pyte
import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from conftest import ROOT
from h2cm.workflow import screen
from h2cm.workflow.screen import Course, Job, Lines, LogHandler, duration, failure, in_sections, plainly

LOG = "train cv 0: cv, folds [0]: 70 cells\ntrain cv 0: cv fold 0 epoch {} of 10: training loss 0.9, validation loss 0.5321 (best)\n"


@pytest.fixture
def log(tmp_path) -> Path:
    """The log of a training after four of ten epochs."""
    file = tmp_path / "cv_fold_0.log"
    file.write_text(LOG.format(4))
    return file


def course(log: Path | None = None) -> Course:
    """A run of 1 + 2 + 1 jobs: the first has ended, one training has begun."""
    found = Course(begun=0.0)
    found.plan({"grid": 1, "train": 2, "figure": 1, "all": 1, "total": 5})
    found.jobs[1] = Job("grid", "", (), 0.0, 10.0)
    found.jobs[2] = job = Job("train", "cv fold 0", (str(log),) if log else (), 10.0)
    job.earlier = dict.fromkeys(job.earlier, 0)
    return found


def test_durations_as_people_say_them():
    assert [duration(s) for s in (7.4, 89, 100, 3599, 5000)] == ["7 s", "89 s", "2 min", "1 h 0 min", "1 h 23 min"]


def test_the_time_left_is_that_of_the_training_and_of_those_like_it(log):
    run = course(log)
    assert run.total == 4 and run.done == 1
    # 40 s for 4 of 10 epochs: 100 s in all, 60 left, 100 for the other; a figure like the average job that has ended, 10
    assert run.left(50.0) == pytest.approx(60 + 100 + 10)
    assert run.line("train", 50.0).split("  ")[-1] == "cv fold 0 epoch 4 of 10, loss 0.5321, 60 s left"
    assert run.whole(50.0) == "1 of 4 jobs, 50 s, about 3 min left"
    run.jobs[2].ended = 110.0
    assert run.left(110.0) == pytest.approx(100 + 55)
    assert run.finished(run.jobs[2]).startswith("train cv fold 0: 2 min, epoch 4 of 10, loss 0.5321  [2 of 4 jobs, ")


def test_jobs_side_by_side_shorten_it_and_nothing_is_said_of_what_is_not_known():
    run = Course(begun=0.0)
    run.plan({"train": 4})
    run.jobs = {k: Job("train", "", (), 0.0) for k in (1, 2)}
    assert run.left(5.0) is None and run.whole(5.0) == "0 of 4 jobs, 5 s"
    for job in run.jobs.values():
        job.ended = 10.0
    assert run.left(10.0) == pytest.approx(10.0), "two at once"


def test_what_an_earlier_attempt_said_does_not_count(log):
    job = Job("train", "cv fold 0", (str(log),), 0.0)
    assert job.said() is None
    with log.open("a") as file:
        file.write(LOG.format(6))
    assert job.said()["done"] == "6"
    log.write_text("train cv 0: cv fold 0 epoch 1, step 20 of 100: training loss 1, validation loss 2.0\n")
    assert (job.said()["unit"], job.said()["done"], job.said()["of"]) == ("step", "20", "100"), "a log begun anew"


class Terminal:
    """A terminal in memory: what is written to it, and what it then shows."""

    def __init__(self, rows: int = 12, columns: int = 70):
        self.screen = pyte.HistoryScreen(columns, rows, history=100)
        self.stream = pyte.Stream(self.screen)

    def write(self, text: str) -> None:
        self.stream.feed(text.replace("\n", "\r\n"))

    def flush(self) -> None:
        pass

    def fileno(self) -> int:
        return 2

    @property
    def shown(self) -> list[str]:
        above = ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]
        return [line.rstrip() for line in (*above, *self.screen.display)]


def test_lines_stay_at_the_bottom_and_nothing_that_a_job_writes_is_drawn_over(log, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("os.get_terminal_size", lambda _: types.SimpleNamespace(lines=12, columns=70))
    monkeypatch.setattr(Lines, "_go_on", lambda self: None)
    for number in range(15):
        terminal.write(f"before {number}\n")
    lines = Lines(course(log), terminal, threading.RLock())
    written = [f"said by a job {number}" for number in range(20)]
    for number, text in enumerate(written):
        lines.draw(20.0 + number)
        terminal.write(text[:7])  # a line that is drawn below while it is being written
        lines.draw(20.5 + number)
        terminal.write(text[7:] + "\n")
    lines.draw(50.0)
    assert terminal.shown[-1] == "1 of 4 jobs, 50 s, about 3 min left"
    assert "cv fold 0 epoch 4 of 10" in terminal.shown[-2]
    lines.end()
    kept = [line for line in terminal.shown if line]
    assert kept[-20:] == written and "before 0" in kept and not any("jobs," in line for line in kept)


def handler(**settings) -> LogHandler:
    given = types.SimpleNamespace(stdout=False, nocolor=True, dryrun=False, verbose=False, quiet=None)
    vars(given).update(settings)
    made = LogHandler(given, None)
    made.setFormatter(logging.Formatter("%(message)s"))
    return made


def record(message, level=logging.INFO, event=None, **more) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", level, "", 0, message, None, None)
    vars(made).update(more | ({"event": event} if event else {}))
    return made


def test_chatter_is_not_shown_and_a_broken_account_hides_nothing(capsys, monkeypatch):
    monkeypatch.delenv(screen.SHOWN, raising=False)
    shown = handler()
    shown.emit(record("Building DAG of jobs..."))
    shown.emit(record(None, event=LogEvent.PROGRESS))
    assert capsys.readouterr().err == ""
    shown.emit(record("something new"))
    shown.emit(record("Building is dangerous", logging.WARNING))
    assert capsys.readouterr().err == "something new\nBuilding is dangerous\n"
    shown.emit(record("lost?", logging.ERROR, LogEvent.JOB_ERROR))  # without what a record of this kind has
    said = capsys.readouterr().err
    assert "Snakemake's own messages are shown" in said and "lost?" in said
    shown.emit(record("Building DAG of jobs..."))
    assert "Building DAG" in capsys.readouterr().err


def test_a_dry_run_says_what_snakemake_says(capsys):
    handler(dryrun=True).emit(record("Building DAG of jobs..."))
    assert "Building DAG" in capsys.readouterr().err


def test_what_is_said_of_a_failed_job(log, tmp_path):
    said = failure("train", [str(log)])
    assert said.startswith("train failed:\n") and "epoch 4 of 10" in said and said.endswith(f"Its log: {log}")
    assert failure("train", [str(tmp_path / "none.log")]) is None, "Snakemake's own words"
    log.write_text(f"train cv 0: {screen.ASKED}: the checkpoint is written\n")
    assert failure("train", [str(log)]) == f"train: {screen.ASKED}"


def test_errors_of_the_command_line_are_plain():
    assert plainly("some other error") is None
    assert (
        in_sections("training.epochs=3") == "training.epochs=3: a key of a section is written as 'training={epochs: 3}'"
    )
    assert in_sections("a.b.c=x").endswith("'a={b: {c: x}}'") and in_sections("run=x") == ""


SNAKEFILE = """
rule all:
    input: "b.txt", "c.txt"
rule a:
    output: "a.txt"
    params: secret="a parameter"
    shell: "echo said by the job >&2; touch a.txt"
rule b:
    input: "a.txt"
    output: "b.txt"
    log: "b.log"
    message: "Making b"
    shell: "touch b.txt"
rule c:
    input: "b.txt"
    output: "c.txt"
    log: "c.log"
    shell: "echo what went wrong > c.log; exit 1"
"""


def test_a_run_of_snakemake(tmp_path):
    """The plugin is found by its name; one line a job, errors with what the log says, all the rest in Snakemake's own log."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "h2cm"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    lines = result.stderr.splitlines()
    assert result.returncode == 1 and "\033" not in result.stderr
    assert lines[0].startswith("3 jobs; ") and "said by the job" in lines
    assert any(line.startswith("a: 0 s") or line.startswith("a: 1 s") for line in lines) and "c failed:" in lines
    assert "what went wrong" in lines and "Its log: c.log" in lines
    assert not {"Reason", "reason", "jobid", "a parameter", "Traceback", "CalledProcessError"} & set(
        result.stderr.split()
    )
    kept = next((tmp_path / ".snakemake" / "log").glob("*.log")).read_text()
    assert "Making b" in kept and "Reason: " in kept


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["all", "--configfile", "nowhere.yaml"], "--configfile: nowhere.yaml: there is no such file.\n"),
        (["--configfile", "config/config.yaml", "all"], "--configfile: all: there is no such file.\nEvery word after"),
        (["all", "--config", "training.epochs=3"], "a key of a section is written as 'training={epochs: 3}'\n"),
        (["all", "--config", "training={epoch: 3}"], "training.epoch: no such key; did you mean epochs?\n"),
        (
            ["all", "--config", "training={device: cuda}", "--forceall"],
            "training.device: cuda was asked for, but PyTorch",
        ),
        (["all", "--config", "split={folds: 800}"], "split.folds: 800 folds, but without the test set there are only"),
    ],
    ids=["not there", "target after it", "dotted", "unknown", "no GPU", "folds"],
)
def test_mistakes_are_said_plainly_before_any_job(tmp_path, arguments, expected):
    """By the real command with the profile of the project."""
    for name in ("Snakefile", "workflow", "src", "profiles", "envs", "config", "resources", "CITATION.cff"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    environment = {
        "PYTHONPATH": str(ROOT / "src"),
        "PATH": "/usr/bin:/bin",
        "CUDA_VISIBLE_DEVICES": "",
        "HOME": str(tmp_path),
    }
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert result.returncode == 1 and expected in result.stderr, result.stderr
    assert not {"Traceback", "File", "WorkflowError"} & set(result.stderr.replace(":", " ").split()), result.stderr
    assert not (tmp_path / "results").exists()
