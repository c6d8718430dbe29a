"""Takes from a Linux Python what a Mac's lacks; Python imports this before anything else."""

import builtins
import io
import os
import select
import signal
import sys
import sysconfig
import types

sysconfig.get_config_vars()  # read once, from a module named after the platform
sys.platform = "darwin"

proxies = types.ModuleType("_scproxy")  # urllib asks it for a Mac's proxies
proxies._get_proxies = proxies._get_proxy_settings = dict  # type: ignore[attr-defined]
sys.modules["_scproxy"] = proxies

LINUX_ONLY = {
    os: (
        "sched_|posix_fad|posix_fallocate|copy_file_range|eventfd|EFD_|fdatasync|getrandom|GRND_"
        "|getres|setres|getxattr|setxattr|listxattr|removexattr|XATTR_|memfd_create|MFD_|pipe2"
        "|pidfd_open|P_PIDFD|splice|SPLICE_|SCHED_|POSIX_FADV_|RWF_|O_DIRECT$|O_LARGEFILE|O_NOATIME"
        "|O_PATH|O_RSYNC|O_TMPFILE"
    ),
    signal: "SIGRT|SIGPWR|SIGPOLL|SIGSTKFLT|SIGCLD|sigtimedwait|sigwaitinfo",
    select: "epoll|EPOLL",
}
HIDDEN = ("/proc", "/sys", "/dev/shm")


def take_away() -> None:
    """Delete the names that only Linux has."""
    import re

    for module, pattern in LINUX_ONLY.items():
        for name in [name for name in dir(module) if re.match(pattern, name)]:
            delattr(module, name)


def hide(module, name: str) -> None:
    """Let a function that takes a path find nothing in Linux's own file systems."""
    original = getattr(module, name)

    def with_hidden(path, *args, **kwargs):
        if isinstance(path, str | os.PathLike):
            text = os.fspath(path)
            if isinstance(text, str) and any(
                text == folder or text.startswith(f"{folder}/") for folder in HIDDEN
            ):
                raise FileNotFoundError(2, "No such file or directory", text)
        return original(path, *args, **kwargs)

    setattr(module, name, with_hidden)


take_away()
for module, name in (
    (builtins, "open"),
    (io, "open"),
    *((os, name) for name in ("open", "stat", "lstat", "statvfs", "access", "listdir", "scandir")),
):
    hide(module, name)
