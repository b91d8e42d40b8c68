"""Attacks with time and processes: loops, sleeps, forks, threads, exits, other programs."""

# ruff: noqa: E501 (lines of candidates)
from __future__ import annotations

from functools import partial

from attacks.case import ENDED, SHORT, Attack, attack

case = partial(attack, "processes")

ATTACKS: list[Attack] = [
    case(
        "endless-loop",
        """
        def attack(world):
            while True:
                pass
        """,
        "timeout",
        limits=SHORT,
        processor=0.02,
    ),
    case(
        "endless-loop-at-import",
        """
        while True:
            pass

        def attack(world):
            return 1
        """,
        "timeout",
        limits=SHORT,
    ),
    case(
        "endless-loop-in-c",
        """
        import itertools

        def attack(world):
            return sum(itertools.repeat(0))
        """,
        "timeout",
        limits=SHORT,
    ),
    case(
        "backtracking-expression",
        """
        import re

        def attack(world):
            return bool(re.match(r"(a+)+$", "a" * 60 + "b"))
        """,
        "timeout",
        limits=SHORT,
    ),
    case(
        "huge-power",
        """
        def attack(world):
            return len(str(9 ** (9 ** 9))) and 9 ** (9 ** 10)
        """,
        "timeout memory exception",
        limits=SHORT,
    ),
    case(
        "endless-numpy",
        """
        import numpy

        def attack(world):
            a = numpy.ones((600, 600))
            while True:
                a = a @ a * 1e-9
        """,
        "timeout",
        limits=SHORT,
    ),
    case(
        "sleep-past-the-deadline",
        """
        import time

        def attack(world):
            time.sleep(60)
            return 1
        """,
        "timeout",
        limits=SHORT,
    ),
    case(
        "wait-on-a-lock",
        """
        import threading

        def attack(world):
            lock = threading.Lock()
            lock.acquire()
            lock.acquire()
        """,
        "timeout",
        limits=SHORT,
    ),
    case(
        "select-past-the-deadline",
        """
        import select

        def attack(world):
            select.select([], [], [], 60)
            return 1
        """,
        "timeout forbidden exception",
        limits=SHORT,
    ),
    case(
        "swallow-every-exception",
        """
        def attack(world):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
        """,
        "timeout",
        limits=SHORT,
    ),
    case(
        "sleep-after-the-answer",
        """
        import atexit, time

        class Late:
            def __del__(self):
                time.sleep(60)

        def attack(world):
            global late
            late = Late()
            atexit.register(time.sleep, 60)
            return 7
        """,
        "ok timeout",
        limits=SHORT,
        value=7,
    ),
    case(
        "raise-own-limits",
        """
        import resource

        def attack(world):
            got = []
            for name in ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_DATA"):
                before = resource.getrlimit(getattr(resource, name))
                if before[1] == resource.RLIM_INFINITY:
                    continue
                try:
                    resource.setrlimit(getattr(resource, name), (before[1] * 2 + 9, before[1] * 2 + 9))
                except (OSError, ValueError):
                    continue
                got.append(name)
            return got and world["breach"] + str(got)
        """,
    ),
    case(
        "limit-the-parent",
        """
        import os, resource

        def attack(world):
            for pid in (os.getppid(), world["bystander"], world["supervisor"]):
                try:
                    resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
                except OSError:
                    continue
                return world["breach"] + " limited " + str(pid)
        """,
    ),
    case(
        "renice-others",
        """
        import os

        def attack(world):
            for pid in (os.getppid(), world["bystander"], world["supervisor"]):
                try:
                    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))
                except OSError:
                    continue
                return world["breach"] + " niced " + str(pid)
        """,
    ),
    case(
        "pin-the-parent",
        """
        import os

        def attack(world):
            for pid in (os.getppid(), world["bystander"], world["supervisor"]):
                try:
                    os.sched_setaffinity(pid, os.sched_getaffinity(pid))
                except OSError:
                    continue
                return world["breach"] + " pinned " + str(pid)
        """,
    ),
    case(
        "fork-bomb",
        """
        import os, time

        def attack(world):
            children = 0
            for _ in range(30):
                try:
                    pid = os.fork()
                except OSError:
                    break
                if pid == 0:
                    time.sleep(2)
                    os._exit(0)
                children += 1
            return children and world["breach"] + " forked " + str(children)
        """,
    ),
    case(
        "thread-bomb",
        """
        import threading, time

        def attack(world):
            started = 0
            for _ in range(100):
                try:
                    threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
                except RuntimeError:
                    break
                started += 1
            return started and world["breach"] + " threads " + str(started)
        """,
    ),
    case(
        "bare-thread",
        """
        import _thread, time

        def attack(world):
            _thread.start_new_thread(time.sleep, (1,))
            return world["breach"] + " thread"
        """,
    ),
    case(
        "thread-pool",
        """
        from concurrent.futures import ThreadPoolExecutor

        def attack(world):
            with ThreadPoolExecutor(4) as pool:
                return world["breach"] + str(sum(pool.map(abs, range(8))))
        """,
    ),
    case(
        "process-pool",
        """
        import multiprocessing, time

        def attack(world):
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(1,))
            child.start()
            return world["breach"] + " process " + str(child.pid)
        """,
    ),
    case(
        "subprocess",
        """
        import subprocess

        def attack(world):
            path = world["drop"] + "/" + world["mark"] + "-subprocess"
            subprocess.run(["/bin/sh", "-c", "echo x > " + path])
            return subprocess.run(["/bin/echo", world["breach"]], capture_output=True, text=True).stdout
        """,
    ),
    case(
        "os-system",
        """
        import os

        def attack(world):
            status = os.system("touch " + world["drop"] + "/" + world["mark"] + "-system")
            return world["breach"] if status == 0 else status
        """,
    ),
    case(
        "posix-spawn",
        """
        import os

        def attack(world):
            pid = os.posix_spawn("/bin/sleep", ["sleep", "1"], {})
            return world["breach"] + " spawned " + str(pid)
        """,
    ),
    case(
        "popen-pipe",
        """
        import os

        def attack(world):
            return os.popen("echo " + world["breach"]).read()
        """,
    ),
    case(
        "become-a-shell",
        """
        import os

        def attack(world):
            path = world["drop"] + "/" + world["mark"] + "-exec"
            os.execv("/bin/sh", ["sh", "-c", "echo x > " + path + "; echo " + world["breach"]])
        """,
    ),
    case(
        "become-python-again",
        """
        import os, sys

        def attack(world):
            code = "open(" + repr(world["drop"] + "/" + world["mark"] + "-again") + ", 'w'); print(" + repr(world["breach"]) + ")"
            os.execv(sys.executable, [sys.executable, "-c", code])
        """,
    ),
    case(
        "run-from-memory",
        """
        import os

        def attack(world):
            with open("/bin/echo", "rb") as file:
                program = file.read()
            fd = os.memfd_create("x")
            os.write(fd, program)
            os.execve(fd, ["echo", world["breach"]], {})
        """,
    ),
    case(
        "run-by-the-loader",
        """
        import glob, os

        def attack(world):
            loader = glob.glob("/lib*/ld-linux*")[0]
            path = world["drop"] + "/" + world["mark"] + "-loader"
            os.execv(loader, [loader, "/bin/touch", path])
        """,
    ),
    case(
        "daemonised-grandchild",
        """
        import os, time

        def attack(world):
            try:
                ready, told = os.pipe()
            except OSError:
                ready = told = None
            if os.fork():
                if ready is not None:
                    os.read(ready, 1)
                return "parent done"
            os.setsid()
            if os.fork():
                os._exit(0)
            if told is not None:
                os.write(told, b"x")
            for fd in range(64):
                try:
                    os.close(fd)
                except OSError:
                    pass
            time.sleep(0.3)
            open(world["drop"] + "/" + world["mark"] + "-daemon", "w").close()
            time.sleep(20)
        """,
    ),
    case(
        "own-session",
        """
        import os

        def attack(world):
            try:
                os.setsid()
            except OSError:
                os.setpgid(0, 0)
            while True:
                pass
        """,
        "timeout forbidden exception",
        limits=SHORT,
    ),
    case(
        "exit-at-once",
        """
        import os

        def attack(world):
            os._exit(0)
        """,
        "crashed",
    ),
    case(
        "exit-with-one",
        """
        import os

        def attack(world):
            os._exit(1)
        """,
        "crashed",
    ),
    case(
        "sys-exit",
        """
        import sys

        def attack(world):
            sys.exit(0)
        """,
        "crashed exception",
    ),
    case(
        "exit-at-import",
        """
        raise SystemExit(0)

        def attack(world):
            return 1
        """,
        "crashed exception",
    ),
    case(
        "exit-of-all-threads-by-abort",
        """
        import os

        def attack(world):
            os.abort()
        """,
        "crashed",
    ),
    case(
        "null-pointer",
        """
        import ctypes

        def attack(world):
            return ctypes.string_at(0)
        """,
        "crashed exception forbidden",
    ),
    case(
        "regain-root",
        """
        import os

        def attack(world):
            if os.getuid() == 0 and world["uid"] == 0:
                return world["breach"] + " is root"
            for become in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgid(0),
                           lambda: os.setgroups([0])):
                try:
                    become()
                except OSError:
                    continue
                return world["breach"] + " became root"
        """,
    ),
    case(
        "new-user-namespace",
        """
        import ctypes

        def attack(world):
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(0x10000000) == 0:
                return world["breach"] + " user namespace"
            if libc.unshare(0x10000000 | 0x00020000) == 0:
                return world["breach"] + " mount namespace"
        """,
    ),
]

assert ENDED
