"""A Docker engine for the tests, made of packages of Debian, in namespaces of its own.

It touches no port, mount, firewall rule or process of the machine, and needs no other Docker. All
that it has started ends with it.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import pytest
import yaml
from checks import UV
from template import ROOT

HERE = Path(__file__).parent
# Kept, because it takes a minute to make. `make clean` removes it.
CACHE = ROOT / "build" / "containers"
RELEASE = "trixie"
PACKAGES = [
    *("docker.io", "docker-cli", "docker-buildx", "docker-compose", "iproute2", "iptables"),
    *("ca-certificates", "curl", "procps"),
    *("python3", "redis-server", "postgresql-17", "python3-aiosmtpd"),
]
TOOLS = ("mmdebstrap", "slirp4netns")
NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts")
UNUSED = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")
# Not in the base image. The folders themselves are.
OUTSIDE = (
    *("dev/*", "old/*", "proc/*", "run/*", "shared/*", "sys/*", "tmp/*", "var/cache/*"),
    *("var/lib/docker/*", "usr/bin/containerd*", "usr/bin/docker*", "usr/sbin/docker*"),
    *("usr/libexec/docker/*", "usr/lib/*/libLLVM*"),
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PATIENCE_SECONDS = 120


def leave_out(reason: str) -> NoReturn:
    """The summary of the run names it. Not every machine can do this, not even in CI."""
    pytest.skip(f"no container engine can be started here: {reason}")


def until(what: str, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"timed out, waiting for {what}"
        time.sleep(0.1)


class Docker:
    def __init__(self, pid: int, shared: Path) -> None:
        self.pid = pid
        self.shared = shared

    def call(self, *command: str, within: str = "/") -> subprocess.CompletedProcess[str]:
        """Runs a command beside the engine. `within` is a folder there."""
        enter = ["nsenter", f"--target={self.pid}", *NAMESPACES, "--root", "--wd"]
        clean = ["env", "-i", f"--chdir={within}", f"PATH={PATH}", "HOME=/root"]
        return subprocess.run(
            [*enter, *clean, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *command: str, within: str = "/") -> str:
        done = self.call(*command, within=within)
        assert done.returncode == 0, f"{command}\n{done.stdout[-8000:]}"
        return done.stdout

    def is_ready(self) -> bool:
        return self.call("docker", "version").returncode == 0

    def make_base(self) -> None:
        excluded = " ".join(f"--exclude='./{path}'" for path in OUTSIDE)
        pack = f"tar --create --directory=/ {excluded} ."
        self.run("sh", "-c", f"{pack} | docker import --change 'ENV PATH={PATH}' - base")

    def make_stand_ins(self, project: Path) -> None:
        """For each image that the project names, under the name and tag that it uses."""
        text = (project / "Dockerfile").read_text(encoding="utf-8")
        services = yaml.safe_load((project / "compose.yaml").read_text(encoding="utf-8"))[
            "services"
        ]
        named = set(re.findall(r"^FROM (\S+:\S+)", text, re.MULTILINE))
        named |= {service["image"] for service in services.values() if "image" in service}
        for image in sorted(named):
            target = image.partition(":")[0].split("/")[-1]
            build = ["docker", "build", "--quiet", f"--target={target}", f"--tag={image}"]
            self.run(*build, "/shared/stand-ins")


def make_root() -> Path:
    for tool in TOOLS:
        if not shutil.which(tool):
            leave_out(f"apt-get install {' '.join(TOOLS)}")
    root = CACHE / "root"
    made_of = CACHE / "packages"
    if made_of.exists() and made_of.read_text() == " ".join(PACKAGES):
        return root
    shutil.rmtree(root, ignore_errors=True)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command += ["--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Languages none"]
    command += [f"--dpkgopt=path-exclude={path}" for path in UNUSED]
    made = subprocess.run(
        [*command, RELEASE, str(root), *mirrors()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if made.returncode:
        shutil.rmtree(root, ignore_errors=True)
        leave_out(f"mmdebstrap failed: {' '.join(made.stdout.splitlines()[-1:])}")
    # The machine may trust an authority of its own.
    trusted = Path("/etc/ssl/certs/ca-certificates.crt")
    if trusted.exists():
        shutil.copy(trusted, root / trusted.relative_to("/"))
    made_of.write_text(" ".join(PACKAGES))
    return root


def mirrors() -> list[str]:
    """Those of this machine's apt. Without any, mmdebstrap uses its own."""
    columns = "$(ORIGIN) $(COMPONENT) $(REPO_URI) $(SUITE) $(CODENAME)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", columns, "Created-By: Packages"],
        capture_output=True,
        text=True,
    )
    rows = {tuple(line.split()) for line in listed.stdout.splitlines()}
    return sorted({row[2] for row in rows if row[:2] == ("Debian", "main") and "-" not in row[-1]})[
        :1
    ]


@contextmanager
def process(*command: str | Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Ends with the block, and with this process, however that ends."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def child_of(pid: int) -> int | None:
    with suppress(OSError):
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(found[0]) if found else None
    return None


@contextmanager
def running_docker(shared: Path) -> Iterator[Docker]:
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        leave_out("it needs root on Debian")
    if not Path("/dev/net/tun").exists():
        leave_out("there is no /dev/net/tun")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root, cgroup = make_root(), f"tests-{os.getpid()}"
        data = root / "var" / "lib" / "docker"
        shutil.rmtree(data, ignore_errors=True)
        stand_ins = shared / "stand-ins"
        shutil.copytree(HERE, stand_ins, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        shutil.copy(UV, stand_ins / "uv")
        try:
            with started(root, shared, cgroup) as docker:
                docker.make_base()
                yield docker
        finally:
            shutil.rmtree(data, ignore_errors=True)
            remove_cgroups(cgroup)


@contextmanager
def started(root: Path, shared: Path, cgroup: str) -> Iterator[Docker]:
    namespaces = ["unshare", *NAMESPACES, "--fork", "--kill-child=KILL", "bash"]
    log = shared / "docker.log"
    with process(*namespaces, HERE / "start.sh", root, shared, cgroup, log=log) as outer:
        until("the namespaces", lambda: outer.poll() is not None or child_of(outer.pid))
        if not (pid := child_of(outer.pid)):
            leave_out(f"unshare failed: {log.read_text(errors='replace')}")
        network = ["slirp4netns", "--configure", "--disable-host-loopback", str(pid), "tap0"]
        with process(*network, log=shared / "network.log"):
            docker = Docker(pid, shared)
            until("dockerd", lambda: outer.poll() is not None or docker.is_ready())
            if outer.poll() is not None:
                leave_out(f"dockerd failed: {log.read_text(errors='replace')[-500:]}")
            try:
                yield docker
            finally:
                docker.call("sh", "-c", "docker ps --quiet | xargs --no-run-if-empty docker kill")
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    outer.wait(20)


def remove_cgroups(name: str) -> None:
    """Those of the containers are empty now. With version 1, each controller has one."""
    for top in [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]:
        for folder in [*sorted(top.rglob("*/"), reverse=True), top]:
            with suppress(OSError):
                folder.rmdir()
