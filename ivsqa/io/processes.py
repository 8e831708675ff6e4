"""Who wrote something, and whether that process still runs: believed only where it is certain.

A process number says something within one container of one running machine alone: in a container beside it, with the same host
name perhaps, the same number is another process. So each is known by its computer, its boot and its namespace of numbers.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TOKEN = re.compile(r"([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})-(\d+)")
_NONE = "0000"
"""Of a computer, boot or namespace that the system does not tell."""


@dataclass(frozen=True)
class Process:
    """A process.

    Attributes:
        computer: A digest of host name and machine id.
        boot: A digest of when the machine was started.
        namespace: A digest of where its number counts.
        pid: Its number.
        born: When it started, in the kernel's ticks; None where that is not known.
    """

    computer: str
    boot: str
    namespace: str
    pid: int
    born: str | None = None

    @property
    def token(self) -> str:
        """The process in few characters, for names of files."""
        return f"{self.computer}{self.boot}{self.namespace}-{self.pid}"

    @property
    def is_seen(self) -> bool:
        """Whether its number counts here: it runs, if it does, where this process could see it."""
        here = this_process()
        return _NONE not in (self.boot, self.namespace) and (self.boot, self.namespace) == (here.boot, here.namespace)

    @property
    def is_dead(self) -> bool:
        """Whether it certainly runs no longer; a number that was given to another process since counts as dead."""
        here = this_process()
        if _NONE not in (self.computer, self.boot) and self.computer == here.computer and self.boot != here.boot:
            return True  # the machine was started again since
        if os.name == "nt" or not self.is_seen:  # there, signal 0 would end the process it asks about
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return True
        except PermissionError:
            return False  # it runs, but belongs to somebody else
        return self.born is not None and self.born != birth_of(self.pid)


def this_process() -> Process:
    """Return this process."""
    computer, boot, namespace = _place()
    return Process(computer, boot, namespace, os.getpid(), birth_of(os.getpid()))


def process_of(token: str) -> Process | None:
    """Return the process that a text begins with; None where it begins with none.

    Example:
        >>> process_of("0a1b2c3d4e5f-17-x")
        Process(computer='0a1b', boot='2c3d', namespace='4e5f', pid=17, born=None)
    """
    match = _TOKEN.match(token)
    return Process(match[1], match[2], match[3], int(match[4])) if match else None


def birth_of(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks, where the kernel tells."""
    try:
        # Split behind the last bracket: the program's name, in brackets, may hold blanks itself.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return None


@cache
def _place() -> tuple[str, str, str]:
    """Return digests of computer, boot and namespace."""
    machine = _told(Path("/etc/machine-id"))
    boot = _told(Path("/proc/sys/kernel/random/boot_id"))
    namespace = ""
    with suppress(OSError, NotImplementedError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return (_digest(socket.gethostname() + machine) if machine else _NONE), _digest(boot), _digest(namespace)


def _told(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:4] if text else _NONE
