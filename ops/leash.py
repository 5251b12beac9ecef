"""Run a command that ends when the process that started it ends, even by SIGKILL.

A script of the standard library alone, started as `python -ISs leash.py SIGNAL PARENT FOLDER COMMAND...`: it sets
itself up and becomes COMMAND by exec. A launcher in place of `preexec_fn`, because code between fork and exec can
deadlock in a process that has threads. With a FOLDER (empty for none), it becomes an ordinary user first: PostgreSQL
refuses to run as root, or as a user that /etc/passwd does not name.

What may surprise: the kernel sends SIGNAL when the *thread* that started the command ends, so start it from one that
lives.
"""

import ctypes
import os
import pwd
import signal
import stat
import struct
import sys
from pathlib import Path

LINUX = sys.platform == "linux"

# prctl(2), unshare(2), capget(2): numbers of the Linux kernel's interface.
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CLONE_NEWUSER = 0x10000000
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1

#: The `nobody` of every Linux distribution.
NOBODY = 65534


def command(death_signal: signal.Signals, *, unrooted: Path | None = None) -> list[str]:
    """The words to put before a command, so that it ends with this process. With a folder, as an ordinary user."""
    folder = str(unrooted) if unrooted else ""
    return [sys.executable, "-ISs", __file__, str(int(death_signal)), str(os.getpid()), folder]


def hold(death_signal: int, parent: int) -> None:
    """This process gets `death_signal` when `parent` ends. Linux only; elsewhere nothing is promised.

    A credential change clears the promise (prctl(2)), so this comes last before exec.
    """
    if not LINUX:
        return
    _libc().prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), death_signal)


def become_ordinary(folder: Path) -> None:
    """This process is not root, its user has a name, `folder` is its own, and it reaches all folders on the way.

    First choice is a user namespace: the same user under another number, who owns what that user owns and no more.
    Where root's way leads through somebody's private folder, or a container forbids namespaces, root becomes `nobody`
    with the one capability to open every file. Raises OSError when that is forbidden, too.
    """
    user = os.geteuid()
    if not LINUX or (user != 0 and user in _named_users()):
        return
    if user != 0:
        _enter_namespace()
        return
    try:
        _own(folder, 0)
        if not all(_passable(path) for path in (folder, *folder.parents)):
            raise PermissionError(f"{folder} lies in a private folder")
        _enter_namespace()
    except OSError:
        _own(folder, NOBODY)
        _become_nobody()


def _named_users() -> list[int]:
    return [entry.pw_uid for entry in pwd.getpwall()]


def _passable(path: Path) -> bool:
    status = path.stat()
    return status.st_uid == 0 or bool(status.st_mode & stat.S_IXOTH)


def _enter_namespace() -> None:
    """user_namespaces(7): one line maps our own id; `setgroups` must be denied before the group map is written."""
    user, group = os.geteuid(), os.getegid()  # they have no numbers inside until they are mapped
    inside = next((named for named in _named_users() if named), NOBODY)
    if _libc().unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{inside} {group} 1")


def _become_nobody() -> None:
    """capabilities(7): kept over setuid by KEEPCAPS, over exec by being inheritable and ambient."""
    libc = _libc()
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    bit = 1 << CAP_DAC_OVERRIDE
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    sets = struct.pack("6I", bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable; then their upper halves
    if libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    if libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _own(folder: Path, uid: int) -> None:
    """The folder and all in it belong to `uid`. Cheap when they do already."""
    if folder.stat().st_uid == uid:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, -1, follow_symlinks=False)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def main(argv: list[str]) -> None:
    """Become the command; says in one line why it could not."""
    death_signal, parent, folder, *command = argv
    try:
        if folder:
            become_ordinary(Path(folder))
        hold(signal.Signals(int(death_signal)), int(parent))
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"Could not start {command[0]}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
