"""The system calls that no run needs, as a filter for the kernel (seccomp, classic BPF).

A run's program gets EPERM for them; a program of another architecture is killed. `clone3` does not exist in
here, because a filter can't see its flags: C libraries and Go then use `clone`, whose flags it sees.
Sources: Linux's `include/uapi/linux/{seccomp,bpf_common,audit}.h`, and its tables of system calls.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable

_LOAD, _JUMP_EQUAL, _JUMP_ANY_BIT, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
# Where `struct seccomp_data` has what: the low half of an argument comes first on both machines.
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND, _THIRD = 0, 4, 16, 24, 32
_X32 = 0x40000000

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# By name: the number on x86_64, and on aarch64 (None: it has no such call).
_REFUSED: dict[str, tuple[int, int | None]] = {
    # Looking into other processes.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    # Mounts and namespaces.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "unshare": (272, 97), "setns": (308, 268),
    # Keys, and the kernel's own programs, modules and counters.
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "bpf": (321, 280), "perf_event_open": (298, 241),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    # Where exploits of the kernel begin.
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "modify_ldt": (154, None), "iopl": (172, None), "ioperm": (173, None),
    "uselib": (134, None), "ustat": (136, None), "sysfs": (139, None), "_sysctl": (156, None),
    "nfsservctl": (180, 42), "lookup_dcookie": (212, 18), "vhangup": (153, 58),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262),
    "mbind": (237, 235), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # The machine's own affairs.
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "acct": (163, 89),
    "syslog": (103, 116),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "sethostname": (170, 161), "setdomainname": (171, 162),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
}  # fmt: skip
_CLONE, _CLONE3 = (56, 220), (435, 435)
_IOCTL, _SOCKET, _SOCKETPAIR, _PERSONALITY = (16, 29), (41, 198), (53, 199), (135, 92)

# Every CLONE_NEW* flag: time, mount, cgroup, UTS, IPC, user, process, network.
_NEW_NAMESPACES = 0x7E020080
# TIOCSTI and TIOCLINUX put words into a terminal's mouth.
_TERMINAL = (0x5412, 0x541C)
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_ROUTE = 0
# The usual personality, a question for it, and the one of 32-bit programs' `uname`.
_PERSONALITIES = (0x0, 0xFFFFFFFF, 0x8)

_Instruction = tuple[int, int, int, int]
REFUSED = frozenset(_REFUSED)


def program(machine: str = "") -> bytes:
    """Return the filter for a machine, this one if none is named. Raises KeyError if it is not known."""
    machine = machine or platform.machine()
    return b"".join(struct.pack("=HBBI", *each) for each in _instructions(machine))


def known(machine: str = "") -> bool:
    """Whether there is a filter for a machine."""
    return (machine or platform.machine()) in _ARCHITECTURES


def _instructions(machine: str) -> Iterable[_Instruction]:
    column = 0 if machine == "x86_64" else 1
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield (_JUMP_EQUAL, 1, 0, _ARCHITECTURES[machine])
    yield _returning(_KILL)
    yield (_LOAD, 0, 0, _NUMBER)
    if machine == "x86_64":
        yield (_JUMP_GREATER_EQUAL, 0, 1, _X32)
        yield _returning(_KILL)
    for numbers in _REFUSED.values():
        number = numbers[column]
        if number is not None:
            yield (_JUMP_EQUAL, 0, 1, number)
            yield _returning(_ERRNO | errno.EPERM)
    yield (_JUMP_EQUAL, 0, 1, _CLONE3[column])
    yield _returning(_ERRNO | errno.ENOSYS)
    for call, body in (
        (_CLONE, _no_namespaces()),
        (_IOCTL, _none_of(_SECOND, _TERMINAL, errno.EPERM)),
        (_SOCKET, _sockets()),
        (_SOCKETPAIR, _one_of(_FIRST, (_UNIX,), errno.EAFNOSUPPORT)),
        (_PERSONALITY, _one_of(_FIRST, _PERSONALITIES, errno.EPERM)),
    ):
        yield (_JUMP_EQUAL, 0, len(body), call[column])
        yield from body
    yield _returning(_ALLOW)


def _returning(value: int) -> _Instruction:
    return (_RETURN, 0, 0, value)


def _no_namespaces() -> list[_Instruction]:
    # The low byte of the flags is a signal, but for CLONE_NEWTIME, which only clone3 takes.
    return [
        (_LOAD, 0, 0, _FIRST),
        (_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES & ~0xFF),
        _returning(_ERRNO | errno.EPERM),
        _returning(_ALLOW),
    ]


def _none_of(argument: int, values: tuple[int, ...], number: int) -> list[_Instruction]:
    tests = [(_JUMP_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [(_LOAD, 0, 0, argument), *tests, _returning(_ALLOW), _returning(_ERRNO | number)]


def _one_of(argument: int, values: tuple[int, ...], number: int) -> list[_Instruction]:
    tests = [(_JUMP_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [(_LOAD, 0, 0, argument), *tests, _returning(_ERRNO | number), _returning(_ALLOW)]


def _sockets() -> list[_Instruction]:
    """Unix and internet sockets, and netlink for questions about addresses and routes."""
    return [
        (_LOAD, 0, 0, _FIRST),
        (_JUMP_EQUAL, 6, 0, _UNIX),
        (_JUMP_EQUAL, 5, 0, _INET),
        (_JUMP_EQUAL, 4, 0, _INET6),
        (_JUMP_EQUAL, 0, 2, _NETLINK),
        (_LOAD, 0, 0, _THIRD),
        (_JUMP_EQUAL, 1, 0, _ROUTE),
        _returning(_ERRNO | errno.EAFNOSUPPORT),
        _returning(_ALLOW),
    ]
