"""Starting and stopping slurmctld, slurmds and munged of one's own, below one folder."""

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm.cores import num_cores

PARTITION = "dev"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.2
PACKAGES = {  # program -> Debian's package
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "srun": "slurm-client",
    "squeue": "slurm-client",
    "scontrol": "slurm-client",
    "scancel": "slurm-client",
    "sinfo": "slurm-client",
}
# Node names are loopback addresses, so that they resolve with nothing written to /etc/hosts.
# Slurm keeps a requeued job back until its old credential has expired; 120 seconds by default.
CONFIG = """\
ClusterName=devcluster
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool-%n
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=5,sched_min_interval=100000,bf_interval=5
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobRequeue=1
ReturnToService=2
KillWait=5
SlurmdTimeout=20
{nodes}
PartitionName={partition} Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class DevCluster:
    """A cluster that lives below a folder.

    Attributes:
        folder: holds everything that the cluster writes; short, as the path of a socket must be.
    """

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which Slurm's commands find this cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    @property
    def nodes(self) -> list[str]:
        """Names of the nodes."""
        text = (self.folder / "slurm.conf").read_text()
        rows = (line.split()[0] for line in text.splitlines() if line.startswith("NodeName="))
        return [row.partition("=")[2] for row in rows]

    def start(self, num_nodes: int) -> None:
        """Start everything, and wait until the nodes are idle.

        Raises:
            OSError: if programs are missing, naming Debian's packages, or something does not start.
            ValueError: if the folder is in use, its path too long, or there is no node to start.
        """
        require()
        if num_nodes < 1:
            raise ValueError(f"a cluster has 1 node or more, not {num_nodes}")
        if self.folder.exists() and any(self.folder.iterdir()):
            raise ValueError(f"{self.folder} is not empty: give a new folder, or stop this cluster")
        if len(str(self.folder / "munge.socket")) > 100:
            raise ValueError(f"{self.folder} is too long a path for a socket")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "state").mkdir()
        names = [f"127.0.0.{number}" for number in range(1, num_nodes + 1)]
        controller_port, *ports = _free_ports(1 + num_nodes)
        cores = max(1, num_cores() // num_nodes)
        rows = [
            f"NodeName={name} NodeAddr={name} NodeHostname=localhost Port={port} CPUs={cores}"
            for name, port in zip(names, ports, strict=True)
        ]
        config = CONFIG.format(
            controller_port=controller_port,
            user=getpass.getuser(),
            folder=self.folder,
            nodes="\n".join(rows),
            partition=PARTITION,
        )
        (self.folder / "slurm.conf").write_text(config)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        self._run(
            "munged",
            "--force",  # the folder may lie below one that others can write to
            f"--socket={self.folder}/munge.socket",
            f"--key-file={key}",
            f"--pid-file={self.folder}/munged.pid",
            f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed",
        )
        self._run("slurmctld")
        for name in names:
            self.start_node(name)
        idle = ("sinfo", "--noheader", "--Node", "--states=idle", "--format=%N")
        _wait(
            lambda: set(self.ask(*idle).split()) == set(names),
            START_SECONDS,
            f"the nodes did not become idle; see {self.folder}/*.log",
        )

    def start_node(self, name: str) -> None:
        """Start the slurmd of a node."""
        self._run("slurmd", "-N", name)

    def kill_node(self, name: str) -> None:
        """Kill the slurmd of a node; the jobs on it go on without it."""
        _signal(self.folder / f"slurmd-{name}.pid", signal.SIGKILL)

    def stop(self) -> None:
        """End all jobs and daemons, and remove the folder."""
        if (self.folder / "slurmctld.pid").exists():
            self.ask("scancel", f"--user={getpass.getuser()}", check=False)
            _wait(
                lambda: not self.ask("squeue", "--noheader", check=False).strip(),
                STOP_SECONDS,
                "jobs did not end",
                strict=False,
            )
        pids = [*self.folder.glob("slurmd-*.pid"), self.folder / "slurmctld.pid"]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in [*pids, self.folder / "munged.pid"]:
                _signal(pid, number)
            _wait(
                lambda: not any(map(_lives, [*pids, self.folder / "munged.pid"])),
                STOP_SECONDS / 4,
                "daemons did not end",
                strict=number == signal.SIGKILL,
            )
        shutil.rmtree(self.folder)

    def ask(self, *command: str, check: bool = True) -> str:
        """What one of Slurm's commands prints.

        Raises:
            OSError: if it fails, unless ``check`` is false.
        """
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True
        )
        if check and done.returncode:
            raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def _run(self, *command: str) -> None:
        """Start a daemon, which goes into the background by itself."""
        with (self.folder / "start.log").open("ab") as log:
            done = subprocess.run(
                command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
            )
        if done.returncode:
            raise OSError(f"{command[0]} does not start; see {self.folder}/*.log")


def require() -> None:
    """Look for the programs of Slurm and munge.

    Raises:
        OSError: naming the Debian packages of those that are missing.
    """
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # where daemons are, and a user's path is not
    packages = sorted({p for program, p in PACKAGES.items() if not shutil.which(program)})
    if packages:
        raise OSError(f"missing: install Debian's packages {' '.join(packages)}")


def _free_ports(count: int) -> Sequence[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _pid(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _signal(file: Path, number: signal.Signals) -> None:
    if (pid := _pid(file)) is not None and _lives(file):
        os.kill(pid, number)


def _lives(file: Path) -> bool:
    pid = _pid(file)
    try:
        return pid is not None and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def _wait(condition: Callable[[], bool], seconds: float, message: str, strict: bool = True) -> None:
    """Wait until a condition holds.

    Raises:
        OSError: with the message, if it does not in time and ``strict``.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            if strict:
                raise OSError(message)
            return
        time.sleep(POLL_SECONDS)
