"""The few system calls that Python has no function for: mounts, namespaces, and process controls.

Linux only. Each function raises OSError with the system's own words.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import socket
import stat
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MS_NOSUID, _MS_NODEV, _MNT_DETACH = 0x2, 0x4, 0x2
# System calls without a function in older C libraries; these numbers are the same on every machine.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH = -100, 0x1000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = 0x1, 0x4
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_IDMAP = 0x1, 0x00100000
# Nothing that the kernel could leave out of the upper folder, which is read without the lower one afterwards.
_LAYERED = "redirect_dir=nofollow,metacopy=off,index=off,xino=off"
_NS_GET_USERNS = 0xB701
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_BACKLOG = 64
_DONE = b"done"

_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def die_with_parent(number: signal.Signals) -> None:
    """Get a signal when the thread that forked this process ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0))


def become(uid: int) -> None:
    """Drop to a user, and to its group of the same number, for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    # A change of user makes /proc/<pid> root's; bubblewrap must write its own uid_map there.
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))


@dataclass(frozen=True)
class Layers:
    """A folder that takes what a user writes, over one of ours that the user sees as its own.

    `work` is an empty folder beside `upper`, for the kernel.
    """

    upper: Path
    work: Path
    lower: Path
    uid: int


def stage(sources: Sequence[Path], place: Path, layers: Layers | None = None) -> dict[Path, Path]:
    """Bind sources below a place that every user can reach; return where each lies, layers by their upper.

    Needs root. The calling process gets a mount namespace of its own, so nobody else sees the place change.
    """
    _check(_libc.unshare(_CLONE_NEWNS))
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    # Opened before the place is covered: a source may lie below it.
    opened = {source: os.open(source, os.O_PATH) for source in sources}
    parts, lower = (os.open(layers.upper.parent, os.O_PATH), _mapped(layers)) if layers else (-1, -1)
    _mount("tmpfs", str(place), "tmpfs", 0, "mode=755")
    found = {layers.upper: _layered(layers, parts, lower, place)} if layers else {}
    parents: dict[Path, int] = {}
    for source, descriptor in opened.items():
        # Neighbours stay neighbours: a program may find its library next door.
        target = place / str(parents.setdefault(source.parent, len(parents))) / source.name
        target.parent.mkdir(exist_ok=True)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            target.mkdir()
        else:
            target.touch()
        _mount(f"/proc/self/fd/{descriptor}", str(target), None, _MS_BIND | _MS_REC)
        os.close(descriptor)
        found[source] = target
    return found


@dataclass(frozen=True)
class Inside:
    """What is to be done in a process's namespaces: sockets that listen, a limit on processes (0: none).

    The kernel counts processes by their user, so the limit is set by the user `uid` itself, for the process
    and all that come from it. None: it is the caller's own.
    """

    addresses: Sequence[tuple[str, int]] = ()
    processes: int = 0
    uid: int | None = None

    def at(self, pid: int) -> list[socket.socket]:
        """Do it; return the listening sockets. What they accept belongs to the caller. Raises OSError.

        A child enters the namespaces, because a process can't come back from one that it does not own.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            child = os.fork()
            if child == 0:
                self._enter(pid, theirs)
            theirs.close()
            said, descriptors, _, _ = socket.recv_fds(ours, 4096, max(1, len(self.addresses)))
            os.waitpid(child, 0)
        found = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        if said != _DONE or len(found) != len(self.addresses):
            raise OSError(said.decode(errors="replace") or "the sandbox's network can't be entered")
        return found

    def _enter(self, pid: int, answer: socket.socket) -> NoReturn:
        try:
            opened = self._listen(pid) if self.addresses else []
            if self.processes:
                if self.uid is not None:
                    become(self.uid)
                resource.prlimit(pid, resource.RLIMIT_NPROC, (self.processes, self.processes))
            socket.send_fds(answer, [_DONE], [each.fileno() for each in opened])
        except OSError as error:
            answer.send(str(error).encode())
        finally:
            os._exit(0)

    def _listen(self, pid: int) -> list[socket.socket]:
        network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if os.geteuid():
            # Without root, what owns the namespace is a user namespace that is ours to enter.
            _check(_libc.setns(fcntl.ioctl(network, _NS_GET_USERNS), _CLONE_NEWUSER))
        _check(_libc.setns(network, _CLONE_NEWNET))
        opened = []
        for host, port in self.addresses:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            found = socket.socket(family, socket.SOCK_STREAM)
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, port))
            found.listen(_BACKLOG)
            opened.append(found)
        return opened


def _mapped(layers: Layers) -> int:
    """Return a mount of the lower folder in which our files are the user's; it has no place yet."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC
    tree = _check(_libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(layers.lower), flags))
    namespace = _user_namespace(layers.uid)
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_IDMAP | _MOUNT_ATTR_RDONLY, 0, 0, namespace)
    _check(_libc.syscall(_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, attributes, len(attributes)))
    os.close(namespace)
    return tree


def _user_namespace(uid: int) -> int:
    """Return a user namespace in which our own user is `uid`, as mounts with mapped ids want it."""
    ready, say = os.pipe()
    held, release = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _check(_libc.unshare(_CLONE_NEWUSER))
            os.write(say, _DONE)
            os.close(release)
            os.read(held, 1)
        finally:
            os._exit(0)
    try:
        os.close(say)
        os.read(ready, len(_DONE))
        for name, own in (("uid_map", os.getuid()), ("gid_map", os.getgid())):
            Path(f"/proc/{child}/{name}").write_text(f"{own} {uid} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for descriptor in (ready, held, release):
            os.close(descriptor)
        os.waitpid(child, 0)


def _layered(layers: Layers, parts: int, lower: int, place: Path) -> Path:
    """Mount the layers below a place. Nothing but the whole of them is to be seen there afterwards."""
    # Names of our own: the kernel's option would trip over a comma or a colon in a path.
    below, beside, whole = (place / name for name in ("layers-below", "layers-parts", "layers"))
    for folder in (below, beside, whole):
        folder.mkdir()
    _check(_libc.syscall(_MOVE_MOUNT, lower, b"", _AT_FDCWD, os.fsencode(below), _MOVE_MOUNT_F_EMPTY_PATH))
    _mount(f"/proc/self/fd/{parts}", str(beside), None, _MS_BIND)
    where = f"lowerdir={below},upperdir={beside / layers.upper.name},workdir={beside / layers.work.name}"
    _mount("overlay", str(whole), "overlay", _MS_NOSUID | _MS_NODEV, f"{where},{_LAYERED}")
    for folder in (below, beside):
        _check(_libc.umount2(os.fsencode(folder), _MNT_DETACH))
    os.close(parts)
    os.close(lower)
    return whole


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    def word(text: str | None) -> bytes | None:
        return None if text is None else os.fsencode(text)

    _check(_libc.mount(word(source), word(target), word(kind), ctypes.c_ulong(flags), word(options)), target)


def _check(result: int, about: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), about or None)
    return result
