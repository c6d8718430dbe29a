"""Takes from a Linux Python what Windows' lacks, as far as this project could ask for it."""

import os
import signal
import sys
import sysconfig

sysconfig.get_config_vars()  # read once, from a module named after the platform
sys.platform = "win32"
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None  # type: ignore[assignment]  # its import fails
for name in dir(signal):
    if name.startswith("SIG") and name not in ("SIGABRT", "SIGINT", "SIGTERM", "SIG_DFL"):
        delattr(signal, name)
for name in ("fork", "getuid", "killpg", "pread", "setsid", "getppid", "sched_getaffinity"):
    delattr(os, name)
