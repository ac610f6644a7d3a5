"""The filter, run by a small machine of our own: what each architecture's kernel would answer."""

from __future__ import annotations

import errno
import struct

import pytest

from bot.terraform.sandbox import seccomp

ALLOWED, KILLED = "allowed", "killed"
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def answer(machine: str, number: int, *arguments: int, architecture: int | None = None) -> str:
    """Run the filter as classic BPF does."""
    data = struct.pack(
        "=IIQ6Q",
        number,
        ARCHITECTURES[machine] if architecture is None else architecture,
        0,
        *(*arguments, *[0] * (6 - len(arguments))),
    )
    program = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    at = held = 0
    while True:
        code, true, false, value = program[at]
        at += 1
        match code:
            case 0x20:
                held = struct.unpack_from("=I", data, value)[0]
            case 0x15:
                at += true if held == value else false
            case 0x35:
                at += true if held >= value else false
            case 0x45:
                at += true if held & value else false
            case 0x06:
                if value == 0x7FFF0000:
                    return ALLOWED
                return KILLED if value == 0x80000000 else errno.errorcode[value & 0xFFFF]
            case _:
                raise AssertionError(f"an instruction that this machine does not know: {code:#x}")


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_every_call_that_no_run_needs_is_refused(machine: str) -> None:
    column = list(ARCHITECTURES).index(machine)
    for name, numbers in seccomp._REFUSED.items():
        if (number := numbers[column]) is not None:
            assert answer(machine, number) == "EPERM", name


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_programs_of_another_architecture_are_ended(machine: str) -> None:
    other = next(value for name, value in ARCHITECTURES.items() if name != machine)
    for architecture in (other, 0x40000003):  # and the 32-bit one
        assert answer(machine, 0, architecture=architecture) == KILLED
    if machine == "x86_64":
        assert answer(machine, 0x40000000 | 39) == KILLED  # x32


@pytest.mark.parametrize(
    ("machine", "clone", "socket", "ioctl"), [("x86_64", 56, 41, 16), ("aarch64", 220, 198, 29)]
)
def test_calls_are_told_apart_by_their_arguments(machine: str, clone: int, socket: int, ioctl: int) -> None:
    threads = 0x003D0F00  # as glibc starts a thread
    assert answer(machine, clone, threads) == ALLOWED
    assert answer(machine, clone, 17) == ALLOWED  # a fork
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert answer(machine, clone, flag | 17) == "EPERM"
    assert answer(machine, 435) == "ENOSYS"
    assert answer(machine, ioctl, 0, 0x5412) == "EPERM"
    # The kernel looks at the low half alone.
    assert answer(machine, ioctl, 0, 0x1_0000_5412) == "EPERM"
    assert answer(machine, ioctl, 0, 0x5401) == ALLOWED
    for family in (1, 2, 10):
        assert answer(machine, socket, family) == ALLOWED
    assert answer(machine, socket, 16, 3, 0) == ALLOWED
    assert answer(machine, socket, 16, 3, 9) == "EAFNOSUPPORT"
    for family in (17, 38, 40, 44):
        assert answer(machine, socket, family) == "EAFNOSUPPORT"
