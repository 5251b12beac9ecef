"""Whether a process has ended."""

from pathlib import Path


def is_gone(pid: int) -> bool:
    """Whether nothing runs under this id any more. One that its parent has not yet collected has ended, too."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] == "Z"
