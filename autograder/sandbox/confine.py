"""What a kernel's process does to itself before it runs a word of anybody's code.

Nothing here can be undone by the process or by what it starts: the user and all capabilities are
dropped, resource limits are hard, Landlock closes files, signals and sockets, and seccomp refuses
the system calls that open ways around. Each layer holds by itself what the bubble around it holds.
"""

import ctypes
import os
import resource
import stat
from errno import ENOSYS, EOPNOTSUPP, EPERM
from pathlib import Path
from typing import Any

import pyseccomp
from landlockpy import AccessFS, Ruleset, Scope

from autograder.sandbox.protocol import Allowance, Confinement

_PR_SET_DUMPABLE = 4
# New mount, cgroup, host name, IPC, user, process and network namespaces.
_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
_AF_UNIX = 1
_NO_SUCH_CALL = -1
_READ = AccessFS.EXECUTE | AccessFS.READ_FILE | AccessFS.READ_DIR
_DEVICE = AccessFS.READ_FILE | AccessFS.WRITE_FILE | AccessFS.TRUNCATE | AccessFS.IOCTL_DEV
_FILE = _DEVICE | AccessFS.EXECUTE
_WRITE = (
    _READ
    | AccessFS.WRITE_FILE
    | AccessFS.REMOVE_DIR
    | AccessFS.REMOVE_FILE
    | AccessFS.MAKE_DIR
    | AccessFS.MAKE_REG
    | AccessFS.MAKE_SOCK
    | AccessFS.MAKE_FIFO
    | AccessFS.MAKE_SYM
    | AccessFS.REFER
    | AccessFS.TRUNCATE
    | AccessFS.RESOLVE_UNIX
)
# Memory that no limit counts, other processes, other namespaces, the kernel's own keys and tools.
_REFUSED = [
    "acct",
    "add_key",
    "bpf",
    "chroot",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "ioperm",
    "iopl",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "memfd_create",
    "memfd_secret",
    "migrate_pages",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "mq_open",
    "msgget",
    "name_to_handle_at",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "semget",
    "setns",
    "shmget",
    "swapoff",
    "swapon",
    "syslog",
    "umount2",
    "unshare",
    "userfaultfd",
    "vhangup",
]
# Refused as if this kernel did not know them, so that libraries fall back on older calls.
_UNKNOWN = ("clone3", "io_uring_enter", "io_uring_register", "io_uring_setup")


def confine(limits: Confinement, calls: Any) -> None:
    """Give up, for good, all that a kernel does not need.

    Args:
        limits: what stays allowed.
        calls: the filter of system calls, from :func:`refused_calls`, made before forking.

    Raises:
        OSError: the machine refuses one of the layers; nothing may run then.
    """
    _limit_resources(limits.allowance)
    _restrict_files(limits)
    if limits.uid is not None:
        os.setgroups([])
        os.setresgid(limits.uid, limits.uid, limits.uid)
        os.setresuid(limits.uid, limits.uid, limits.uid)
    # Another user's process would not find its own entries in /proc.
    set_dumpable(True)
    calls.load()


def set_dumpable(allowed: bool) -> None:
    """Say whether processes of the same user may look into this one."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, int(allowed), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) is refused here")


def refused_calls() -> Any:
    """Build the filter of system calls: everything is allowed but what would lead outside."""
    calls = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in _REFUSED:
        _refuse(calls, EPERM, name)
    for name in _UNKNOWN:
        _refuse(calls, ENOSYS, name)
    for flag in _NAMESPACES:
        _refuse(calls, EPERM, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    # libzmq asks for other families and takes "not supported", but not "forbidden".
    for name in ("socket", "socketpair"):
        _refuse(calls, EOPNOTSUPP, name, pyseccomp.Arg(0, pyseccomp.NE, _AF_UNIX))
    return calls


def _refuse(calls: Any, errno: int, name: str, *arguments: Any) -> None:
    # A call that this machine's kind of processor does not have needs no refusing.
    if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) != _NO_SUCH_CALL:
        calls.add_rule(pyseccomp.ERRNO(errno), name, *arguments)


def _limit_resources(allowance: Allowance) -> None:
    """Set hard limits; memory counts from what the process has already."""
    used = _status_of_self("VmData")
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, allowance.cpu),
        (resource.RLIMIT_DATA, used + allowance.memory),
        (resource.RLIMIT_FSIZE, allowance.file_size),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_NPROC, allowance.processes),
    ):
        resource.setrlimit(kind, (most, most))


def _status_of_self(name: str) -> int:
    """A size in bytes from this process's status."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status does not tell {name}")


def _restrict_files(limits: Confinement) -> None:
    """Landlock: only the listed paths, no connections, no signals to whoever is not confined."""
    with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as rules:
        for paths, access in (
            (limits.readable, _READ),
            (limits.writable, _WRITE),
            (limits.devices, _DEVICE),
        ):
            for path in paths:
                folder = stat.S_ISDIR(os.stat(path).st_mode)
                rules.allow_path(path, access if folder else access & _FILE)
        rules.restrict()
