"""Attacks on files: writing anywhere, reading secrets, symbolic links, other ways to a path."""

# ruff: noqa: E501 (lines of candidates)
from __future__ import annotations

from functools import partial

from attacks.case import Attack, attack

case = partial(attack, "files")

WRITE = """
import os, pathlib

def attack(world):
    done = []
    for folder in {folders}:
        path = folder + "/" + world["mark"] + "-{name}"
        try:
            {action}
        except (OSError, ValueError, ImportError) as error:
            done.append(type(error).__name__)
    return done
"""
FOLDERS = '(world["drop"], world["home"], world["cwd"], "/tmp", "/var/tmp", "/dev/shm", ".")'


def write(name: str, action: str, folders: str = FOLDERS) -> Attack:
    """Make something at `path` in every folder; the world outside is what is looked at."""
    return case(name, WRITE.format(name=name, action=action, folders=folders))


READ = """
import os

def attack(world):
    found = []
    for path in {paths}:
        try:
            {action}
        except (OSError, ValueError, UnicodeError):
            continue
    return found
"""
SECRETS = '[*world["secrets"], os.path.expanduser("~/.ssh/id_canary"), "canary.txt"]'


def read(name: str, action: str, paths: str = SECRETS, backend: str | None = None) -> Attack:
    """Append what is found to `found`; the secret must not come back."""
    return case(name, READ.format(action=action, paths=paths), backend=backend)


ATTACKS: list[Attack] = [
    write("write-new-file", 'open(path, "w").write("x")'),
    write("write-by-descriptor", "os.write(os.open(path, os.O_CREAT | os.O_WRONLY), b'x')"),
    write("write-by-pathlib", "pathlib.Path(path).write_text('x')"),
    write("make-folder", "os.mkdir(path)"),
    write("make-pipe", "os.mkfifo(path)"),
    write("make-node", "os.mknod(path)"),
    write("make-link-to-secret", 'os.symlink(world["secrets"][0], path)'),
    write("make-hard-link", 'os.link(world["ledger"], path)'),
    write("numpy-save", "__import__('numpy').save(path + '.npy', [1, 2])"),
    write("numpy-memmap", "__import__('numpy').memmap(path, mode='w+', shape=(9,))"),
    write("database", "__import__('sqlite3').connect(path).execute('create table t (x)')"),
    write("shelf", "__import__('shelve').open(path)"),
    write("log-file", "__import__('logging').FileHandler(path)"),
    write("compiled-cache", "__import__('py_compile').compile(__import__('os').__file__, path)"),
    write(
        "temporary-file",
        "__import__('tempfile').NamedTemporaryFile(prefix=world['mark'], dir=folder, delete=False)",
    ),
    write(
        "unnamed-file",
        "os.link('/proc/self/fd/%d' % os.open(folder, os.O_TMPFILE | os.O_RDWR), path, "
        "src_dir_fd=os.open('/', 0), follow_symlinks=True)",
    ),
    write("copied-file", "__import__('shutil').copy(__import__('os').__file__, path)"),
    case(
        "overwrite",
        """
        def attack(world):
            with open(world["ledger"], "r+") as file:
                file.write("forged")
        """,
    ),
    case(
        "append",
        """
        def attack(world):
            with open(world["ledger"], "a") as file:
                file.write("forged")
        """,
    ),
    case(
        "truncate",
        """
        import os

        def attack(world):
            os.truncate(world["ledger"], 0)
        """,
    ),
    case(
        "remove",
        """
        import os

        def attack(world):
            os.unlink(world["ledger"])
        """,
    ),
    case(
        "rename",
        """
        import os

        def attack(world):
            os.rename(world["ledger"], world["ledger"] + "-moved")
        """,
    ),
    case(
        "change-mode",
        """
        import os

        def attack(world):
            os.chmod(world["ledger"], 0o777)
        """,
    ),
    case(
        "change-times",
        """
        import os

        def attack(world):
            os.utime(world["ledger"], (1, 1))
        """,
    ),
    case(
        "change-attributes",
        """
        import os

        def attack(world):
            for path in (world["ledger"], world["drop"]):
                os.setxattr(path, "user.mark", b"x")
                return world["breach"]
        """,
    ),
    case(
        "overwrite-by-mapping",
        """
        import mmap, os

        def attack(world):
            fd = os.open(world["ledger"], os.O_RDWR)
            mmap.mmap(fd, 8)[:6] = b"forged"
        """,
    ),
    case(
        "remove-tree",
        """
        import shutil

        def attack(world):
            shutil.rmtree(world["drop"], ignore_errors=True)
            shutil.rmtree(world["home"], ignore_errors=True)
        """,
    ),
    read("read-secrets", "found.append(open(path).read())"),
    read("read-by-descriptor", "found.append(os.read(os.open(path, os.O_RDONLY), 999).decode())"),
    read("read-by-own-root", 'found.append(open("/proc/self/root" + path).read())'),
    read("read-by-first-root", 'found.append(open("/proc/1/root" + path).read())'),
    read("read-by-parent-root", 'found.append(open("/proc/%d/root" % os.getppid() + path).read())'),
    read(
        "read-by-supervisor-root",
        'found.append(open("/proc/%d/root" % world["supervisor"] + path).read())',
    ),
    read("read-from-above", 'found.append(open("../" * 40 + path.lstrip("/")).read())'),
    read("read-lines-cached", "found.append(__import__('linecache').getlines(path))"),
    read("read-by-numpy", "found.append(str(__import__('numpy').fromfile(path, 'S1').tobytes()))"),
    read(
        "read-by-mapping",
        "found.append(__import__('mmap').mmap(os.open(path, 0), 0, prot=1)[:].decode())",
    ),
    read(  # Landlock does not hide that a file exists
        "sizes-of-secrets", "os.stat(path); found.append(world['breach'])", backend="bwrap"
    ),
    read("targets-of-links", "found.append(os.readlink(path))", '[world["link"]]'),
    read(
        "links-of-processes",
        "found.append(world['breach'] + os.readlink(path))",
        '["/proc/%d/%s" % (pid, name) for pid in (world["supervisor"], world["bystander"], '
        'os.getppid()) for name in ("cwd", "exe", "root", "fd/0", "ns/mnt")]',
    ),
    case(
        "list-home",
        """
        import os

        def attack(world):
            seen = []
            for folder in (world["home"], world["cwd"], os.path.dirname(world["drop"])):
                try:
                    seen += os.listdir(folder)
                except OSError:
                    pass
            return seen and world["breach"] + str(seen)
        """,
    ),
    case(
        "read-real-homes",
        """
        import glob, os, pwd

        def attack(world):
            homes = {"/root", *glob.glob("/home/*")}
            try:
                homes |= {p.pw_dir for p in pwd.getpwall() if p.pw_uid == 0 or p.pw_uid >= 1000}
            except OSError:
                pass
            seen = []
            for home in homes - {"/", "/nonexistent"}:
                for name in (".bashrc", ".profile", ".gitconfig", ".netrc", ".bash_history"):
                    try:
                        with open(home + "/" + name, "rb") as file:
                            seen.append(home + "/" + name + str(file.read(9)))
                    except OSError:
                        pass
            return seen and world["breach"] + str(seen)
        """,
    ),
    case(
        "walk-everything",
        """
        import os, time

        def attack(world):
            end = time.monotonic() + 0.2
            for top in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/home", "/mnt", "/work", "/srv", "/"):
                for folder, folders, files in os.walk(top):
                    for name in files + folders:
                        if world["mark"] in name:
                            return world["breach"] + folder + "/" + name
                    if time.monotonic() > end:
                        return "nothing yet"
        """,
    ),
    case(
        "project-files",
        """
        def attack(world):
            for name in ("pyproject.toml", "README.md", "evaluators/__init__.py"):
                try:
                    with open(world["project"] + "/" + name) as file:
                        return world["breach"] + file.read(40)
                except OSError:
                    pass
        """,
    ),
    case(
        "shadow-passwords",
        """
        def attack(world):
            return world["breach"] + open("/etc/shadow").read()[:20]
        """,
    ),
    case(
        "symlink-then-read",
        """
        import os

        def attack(world):
            for folder in ("/tmp", "/dev/shm", ".", world["drop"]):
                path = folder + "/" + world["mark"] + "-link"
                try:
                    os.symlink(world["secrets"][0], path)
                    return open(path).read()
                except OSError:
                    pass
        """,
    ),
    case(
        "swap-the-working-folder",
        """
        import os

        def attack(world):
            os.chdir(world["drop"])
            open(world["mark"] + "-here", "w").close()
        """,
    ),
    case(
        "environment",
        """
        import os

        def attack(world):
            return dict(os.environ)
        """,
    ),
    case(
        "environment-of-processes",
        """
        import glob

        def attack(world):
            seen = []
            for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
                try:
                    seen.append(open(path, "rb").read().decode("latin-1"))
                except OSError:
                    pass
            return seen
        """,
    ),
    case(
        "import-from-the-working-folder",
        """
        import sys

        def attack(world):
            sys.path[:0] = [world["cwd"], world["drop"], "."]
            import canary_module
            return canary_module.SECRET
        """,
        "exception forbidden",
    ),
    case(
        "import-from-an-archive",
        """
        import sys

        def attack(world):
            sys.path.insert(0, world["archive"])
            import zipped_canary
            return zipped_canary.SECRET
        """,
        "exception forbidden",
    ),
    case(
        "load-a-library",
        """
        import ctypes

        def attack(world):
            ctypes.CDLL(world["library"])
            return world["breach"]
        """,
    ),
    case(
        "stash-in-a-file",
        """
        def attack(world):
            for folder in ("/tmp", "/dev/shm", "/var/tmp", ".", "/run", world["drop"]):
                try:
                    with open(folder + "/stash", "w") as file:
                        file.write("kept")
                except OSError:
                    pass
        """,
        then="""
        def attack(world):
            for folder in ("/tmp", "/dev/shm", "/var/tmp", ".", "/run", world["drop"]):
                try:
                    with open(folder + "/stash") as file:
                        return world["breach"] + file.read()
                except OSError:
                    pass
        """,
    ),
    case(
        "shared-memory-segment",
        """
        from multiprocessing import shared_memory

        def attack(world):
            shared_memory.SharedMemory(world["mark"] + "-shm", create=True, size=64)
            return world["breach"]
        """,
    ),
    case(
        "semaphore",
        """
        import _multiprocessing

        def attack(world):
            _multiprocessing.SemLock(1, 1, 1, "/" + world["mark"] + "-sem", False)
            return world["breach"]
        """,
    ),
    case(
        "terminal-and-devices",
        """
        import os

        def attack(world):
            for path in ("/dev/tty", "/dev/console", "/dev/ptmx", "/dev/mem", "/dev/kmsg", "/dev/fuse",
                         "/dev/vda", "/dev/sda", "/dev/kvm", "/dev/net/tun"):
                for flags in (os.O_RDWR, os.O_RDONLY):
                    try:
                        os.open(path, flags | os.O_NOCTTY | os.O_NONBLOCK)
                    except OSError:
                        continue
                    return world["breach"] + path
        """,
    ),
    case(
        "kernel-settings",
        """
        def attack(world):
            for path in ("/proc/self/oom_score_adj", "/proc/self/coredump_filter", "/proc/self/comm",
                         "/proc/self/timerslack_ns", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
                try:
                    file = open(path, "r+")
                except OSError:
                    continue
                return world["breach"] + path
        """,
    ),
    case(
        "memory-of-processes",
        """
        import os

        def attack(world):
            for pid in (world["supervisor"], "self", os.getppid(), world["bystander"], 1, 2):
                try:
                    with open("/proc/%s/mem" % pid, "rb", 0) as file:
                        file.seek(world["address"])
                        return file.read(world["length"]).decode("latin-1")
                except (OSError, OverflowError):
                    pass
        """,
    ),
    case(
        "maps-of-processes",
        """
        import os

        def attack(world):
            for pid in (world["supervisor"], os.getppid(), world["bystander"]):
                try:
                    return world["breach"] + open("/proc/%s/maps" % pid).read(50)
                except OSError:
                    pass
        """,
    ),
    case(
        "write-own-memory",
        """
        import ctypes

        def attack(world):
            target = ctypes.create_string_buffer(b"before")
            with open("/proc/self/mem", "r+b", 0) as file:
                file.seek(ctypes.addressof(target))
                file.write(b"forced")
            return world["breach"] + target.value.decode()
        """,
    ),
    case(
        "descriptors-of-processes",
        """
        import glob, os

        def attack(world):
            for path in glob.glob("/proc/[0-9]*/fd/*"):
                if path.split("/")[2] != str(os.getpid()):
                    try:
                        return world["breach"] + os.readlink(path)
                    except OSError:
                        pass
        """,
    ),
    case(
        "inherited-descriptors",
        """
        import os

        def attack(world):
            found = []
            for fd in range(3, 1024):
                try:
                    os.fstat(fd)
                except OSError:
                    continue
                for read in (lambda: os.pread(fd, 999, 0), lambda: os.listdir(fd),
                             lambda: os.openat and None if False else os.open("canary.txt", 0, dir_fd=fd)):
                    try:
                        found.append(str(read()))
                    except (OSError, AttributeError):
                        pass
            return found
        """,
    ),
    case(
        "watch-files",
        """
        import ctypes

        def attack(world):
            libc = ctypes.CDLL(None, use_errno=True)
            fd = libc.inotify_init1(0)
            if fd >= 0 and libc.inotify_add_watch(fd, world["drop"].encode(), 0xFFF) >= 0:
                return world["breach"]
        """,
    ),
    case(
        "lock-files",
        """
        import fcntl

        def attack(world):
            fcntl.flock(open(world["ledger"]), fcntl.LOCK_EX)
            return world["breach"]
        """,
    ),
]
