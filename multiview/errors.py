"""Every error that multiview raises on purpose.

    MultiviewError
    ├── ConfigError        a studio, rig, skeleton or board file says something wrong
    ├── CalibrationError   a rig cannot be computed from what was recorded
    ├── MessageError       bytes from the wire or a recording are not a message of ours
    └── SourceError        a camera, video, keypoint folder or recording cannot be read

A message says what is wrong, where, and what to do. The command line prints it as one line and exits 2.
Trouble that a live loop must expect (too few views, a late camera) is data, never an exception.
"""

__all__ = ["CalibrationError", "ConfigError", "MessageError", "MultiviewError", "SourceError"]


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
