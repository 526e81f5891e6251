"""Every error that multiview raises on purpose.

    MultiviewError
    ├── ConfigError        a studio, rig, skeleton or board file says something wrong
    ├── CalibrationError   a rig cannot be computed from what was recorded
    ├── MessageError       bytes from the wire or a recording are not a message of ours
    └── SourceError        a camera, video, keypoint folder or recording cannot be read

A message says what is wrong, where, and what to do. The command line prints it as one line and exits 2.
Trouble that a live loop must expect (too few views, a late camera) is data, never an exception.
"""

from __future__ import annotations

import errno

__all__ = [
    "CalibrationError",
    "ConfigError",
    "MessageError",
    "MultiviewError",
    "SourceError",
    "one_line",
    "os_error_words",
]

_REMEDIES = {
    errno.EACCES: "change its permissions, or choose another folder",
    errno.EPERM: "change its permissions, or choose another folder",
    errno.EROFS: "choose a folder that can be written",
    errno.ENOSPC: "free some space; files that were there are as they were",
    errno.EDQUOT: "free some space; files that were there are as they were",
    errno.ENOTDIR: "a file stands where a folder should be: choose another folder",
    errno.EEXIST: "a file stands where a folder should be: choose another folder",
    errno.EISDIR: "a folder stands where a file should be: choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the whole system has too many open files",
    errno.EADDRINUSE: "another program listens there: choose another port",
    errno.ENOMEM: "close other programs, or take fewer cameras or frames",
}
_LONGEST = 1000  # characters of a message: what a file holds is quoted in it


class MultiviewError(Exception):
    """Anything that multiview refuses to do, said in one line that a user can act on."""


class ConfigError(MultiviewError):
    """A file that a user wrote (studio, rig, skeleton, board) is missing, malformed or contradictory."""


class CalibrationError(MultiviewError):
    """The recording does not determine the rig."""


class MessageError(MultiviewError):
    """Bytes are truncated, corrupt, of another schema version, or not a message at all."""


class SourceError(MultiviewError):
    """An input (camera, video, keypoints, recording) cannot be opened or read."""


def one_line(text: object) -> str:
    """A message on one line that a terminal can show: control characters, which may come from a file, are escaped.

    Args:
        text: The message.

    Returns:
        Its words.
    """
    words = " ".join(str(text).split())
    if len(words) > _LONGEST:
        words = words[:_LONGEST] + " ..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in words)


def os_error_words(error: OSError) -> str:
    """What the operating system refused, where, and what to do, for a user.

    Args:
        error: Of the operating system.

    Returns:
        One line.
    """
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    text = ": ".join([*names[:1], error.strerror or str(error) or type(error).__name__])
    remedy = _REMEDIES.get(error.errno or 0)
    return one_line(f"{text}; {remedy}" if remedy else text)
