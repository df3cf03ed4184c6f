"""What the operating system and the libraries under us say, in the reader's language.

They know English only, and their words stand within sentences of ours, in brackets or behind a
path. Each is known by its errno's own text, or as a library writes it; what is not known stays.
"""

import errno
import os
import re

NUMBERS = (
    "EPERM",
    "ENOENT",
    "EIO",
    "ENXIO",
    "EACCES",
    "EBUSY",
    "ENODEV",
    "ENOTDIR",
    "EISDIR",
    "EMFILE",
    "ENOSPC",
    "EROFS",
    "EPIPE",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "ENETUNREACH",
    "ECONNRESET",
    "ETIMEDOUT",
    "ECONNREFUSED",
    "EHOSTUNREACH",
    "EREMOTEIO",
    "EDQUOT",
)
OF_LIBRARIES = {
    "database or disk is full": "db_full",
    "disk I/O error": "db_io",
    "unable to open database file": "db_open",
    "attempt to write a readonly database": "db_readonly",
    "database is locked": "db_locked",
    "database disk image is malformed": "db_malformed",
    "file is not a database": "db_foreign",
    "timed out": "timed_out",
    "Name or service not known": "no_name",
    "Temporary failure in name resolution": "no_resolver",
}
# Their text: the catalogues' key, system.NAME.
KEYS = {os.strerror(getattr(errno, name)): name for name in NUMBERS} | OF_LIBRARIES
# "[Errno 28] No space left on device" is how Python writes such an error as a whole.
_SAID = re.compile(
    r"(?:\[Errno -?\d+\] )?\b("
    + "|".join(re.escape(said) for said in sorted(KEYS, key=len, reverse=True))
    + r")\b"
)


def system_words(words: str, catalogue: "dict[str, str]") -> str:
    """`words` with each such text in it told by the catalogue."""
    return _SAID.sub(lambda found: catalogue[f"system.{KEYS[found.group(1)]}"], words)
