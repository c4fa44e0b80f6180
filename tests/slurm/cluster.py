"""A real Slurm of one node on this machine: munge, controller and node, all state in one folder.

For the tests, and to try the profile by hand (root; Debian: ``apt install slurm-wlm munge``)::

    python tests/slurm/cluster.py FOLDER

runs it until it is interrupted. Commands of Slurm find it by ``/etc/slurm/slurm.conf``, which must not exist before.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PLACE = Path("/etc/slurm/slurm.conf")
"""Where Slurm's commands look: the executor takes ``SLURM_CONF`` and the like out of the environment of jobs."""

NEEDED = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/prolog
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=5
MinJobAge=600
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,defer_batch
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2 RealMemory=64000 Gres=gpu:1
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Why no Slurm can be set up here; None if it can."""
    programs = [name for name in NEEDED if not _program(name)]
    if programs:
        return f"needs Slurm, not found: {', '.join(programs)} (Debian: apt install slurm-wlm munge)"
    if os.geteuid() != 0:
        return "setting up a Slurm needs root"
    if PLACE.exists():
        return f"this machine has a Slurm of its own ({PLACE})"
    return None


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """The three daemons; each can be stopped and started again."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.daemons: dict[str, subprocess.Popen] = {}
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge").chmod(0o711)
        text = CONFIGURATION.format(folder=self.folder, ports=_free_ports(2))
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")  # a pretend GPU
        self.environment_of_tasks({})

    def start(self) -> None:
        """Start all; returns when the node takes jobs."""
        PLACE.parent.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            PLACE.with_name(name).symlink_to(self.folder / name)
        munge = self.folder / "munge"
        subprocess.run([_program("mungekey"), "--create", f"--keyfile={munge}/key"], check=True)
        files = [
            f"--{kind}={munge}/{kind.split('-')[0]}"
            for kind in ("key-file", "pid-file", "log-file", "seed-file", "socket")
        ]
        self._run("munged", "--foreground", "--force", *files)
        self._wait(lambda: (munge / "socket").exists(), "munge")
        self.start_controller()
        self.start_node()

    def start_controller(self) -> None:
        self._run("slurmctld", "-D")
        self._wait(lambda: self.ask("scontrol", "ping").endswith("is UP"), "the controller")

    def start_node(self) -> None:
        self._run("slurmd", "-D", "-N", "localhost")
        self._wait(lambda: self.ask("sinfo", "--noheader", "--format=%T") in ("idle", "mixed", "allocated"), "the node")

    def kill(self, name: str) -> None:
        """Kill a daemon as a power failure would."""
        daemon = self.daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def stop(self) -> None:
        """End all jobs and daemons; /etc is left as it was."""
        if "slurmctld" in self.daemons:
            self.ask("scancel", "--user=root")
            time.sleep(1)
        for name in list(self.daemons):
            self.daemons[name].send_signal(signal.SIGTERM)
            try:
                self.daemons[name].wait(10)
            except subprocess.TimeoutExpired:
                self.kill(name)
        for name in ("slurm.conf", "gres.conf"):
            PLACE.with_name(name).unlink(missing_ok=True)

    def environment_of_tasks(self, variables: dict[str, str]) -> None:
        """Give the tasks of jobs some variables, as a site's prolog does."""
        prolog = self.folder / "prolog"
        prolog.write_text("#!/bin/sh\n" + "".join(f"echo export {k}={v}\n" for k, v in variables.items()))
        prolog.chmod(0o755)

    def ask(self, *command: str) -> str:
        """What a command of Slurm says."""
        said = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return said.stdout.strip()

    def jobs(self) -> dict[str, dict[str, str]]:
        """All jobs that the controller knows, by number: their fields."""
        lines = self.ask("scontrol", "--oneliner", "show", "jobs").splitlines()
        fields = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
        return {job["JobId"]: job for job in fields if "JobId" in job}

    def _run(self, name: str, *arguments: str) -> None:
        with open(self.folder / f"{name}.log", "a") as log:
            self.daemons[name] = subprocess.Popen(
                [_program(name), *arguments], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _wait(self, condition, what: str, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                logs = "\n".join(f"{file}:\n{file.read_text()[-2000:]}" for file in self.folder.glob("*.log"))
                raise RuntimeError(f"{what} did not start within {seconds:.0f} s\n{logs}")
            time.sleep(0.1)


if __name__ == "__main__":
    if reason := missing():
        sys.exit(reason)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    cluster = Cluster(Path(sys.argv[1]).resolve())
    try:
        cluster.start()
        print("Slurm runs; Ctrl-C ends it", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        cluster.stop()
