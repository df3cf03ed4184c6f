"""What the operating system and the libraries under us say, in the reader's language.

They know English only, and their words stand within sentences of ours, in brackets or behind a
path. Each is known by its errno's own text, as a library writes it, or (TLS) by OpenSSL's name of
it; what is not known stays.
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
    "unable to open database": "unable_to_open_database",
    "no such table": "no_such_table",
    "attempt to write a readonly database": "db_readonly",
    "database is locked": "db_locked",
    "database disk image is malformed": "db_malformed",
    "file is not a database": "db_foreign",
    "timed out": "timed_out",
    "Name or service not known": "no_name",
    "Temporary failure in name resolution": "no_resolver",
    "No address associated with hostname": "no_address_associated_with_hostname",
}
# MQTT's reason codes (5.0, table 2-6), and how the client's libraries say that it is over.
OF_BROKERS = (
    "Unspecified error",
    "Malformed packet",
    "Protocol error",
    "Implementation specific error",
    "Unsupported protocol version",
    "Client identifier not valid",
    "Bad user name or password",
    "Not authorized",
    "Server unavailable",
    "Server busy",
    "Banned",
    "Server shutting down",
    "Bad authentication method",
    "Keep alive timeout",
    "Session taken over",
    "Topic filter invalid",
    "Topic name invalid",
    "Packet identifier in use",
    "Packet identifier not found",
    "Receive maximum exceeded",
    "Topic alias invalid",
    "Packet too large",
    "Message rate too high",
    "Quota exceeded",
    "Administrative action",
    "Payload format invalid",
    "Retain not supported",
    "QoS not supported",
    "Use another server",
    "Server moved",
    "Shared subscription not supported",
    "Connection rate exceeded",
    "Maximum connect time",
    "Subscription identifiers not supported",
    "Wildcard subscription not supported",
    "Normal disconnection",
    "Operation timed out",
    "the connection was closed",
    "The connection was lost",
    "The connection was refused",
    "The client is not currently connected",
    "A TLS error occurred",
    "A network protocol error occurred when communicating with the broker",
    "Client or broker did not communicate in the keepalive interval",
    "Disconnected during message iteration",
)
# OpenSSL's verify errors, X509_verify_cert_error_string.
OF_CERTIFICATES = (
    "self-signed certificate in certificate chain",
    "self-signed certificate",
    "unable to get local issuer certificate",
    "unable to get issuer certificate",
    "unable to verify the first certificate",
    "certificate has expired",
    "certificate is not yet valid",
    "certificate revoked",
    "certificate rejected",
    "certificate not trusted",
    "certificate signature failure",
    "certificate chain too long",
    "path length constraint exceeded",
    "invalid CA certificate",
    "unsuitable certificate purpose",
    "EE certificate key too weak",
    "CA certificate key too weak",
    "CA signature digest algorithm too weak",
    "Missing Authority Key Identifier",
    "Missing Subject Key Identifier",
    "CA cert does not include key usage extension",
    "unhandled critical extension",
    "Hostname mismatch, certificate is not valid for",
    "IP address mismatch, certificate is not valid for",
)
# "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)": OpenSSL's name of it.
OF_TLS = {
    "WRONG_VERSION_NUMBER": "no_tls",
    "PACKET_LENGTH_TOO_LONG": "no_tls",
    "RECORD_LAYER_FAILURE": "no_tls",
    "HTTP_REQUEST": "no_tls",
    "UNEXPECTED_EOF_WHILE_READING": "tls_closed",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "tls_wants_certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "tls_refuses_certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "tls_refuses_certificate",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "tls_refuses_certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "tls_refuses_certificate",
    "TLSV1_ALERT_DECRYPT_ERROR": "tls_refuses_certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "tls_our_expired",
    "TLSV1_ALERT_UNKNOWN_CA": "tls_our_authority",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "tls_no_agreement",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": "tls_no_agreement",
    "TLSV1_ALERT_PROTOCOL_VERSION": "tls_version",
    "UNSUPPORTED_PROTOCOL": "tls_version",
    "TLSV1_UNRECOGNIZED_NAME": "tls_unknown_name",
    "TLSV1_ALERT_INTERNAL_ERROR": "tls_other_end",
    "NO_CERTIFICATE_OR_CRL_FOUND": "tls_no_pem",
    "NO_START_LINE": "tls_no_pem",
    "KEY_VALUES_MISMATCH": "tls_pair",
}
OF_PYTHON = {
    "[SSL] PEM lib": "tls_no_pem",
    "EOF occurred in violation of protocol": "tls_closed",
    "TLS/SSL connection has been closed (EOF)": "tls_closed",
}


def key_of(said: str) -> str:
    """ "Not authorized" is system.not_authorized in the catalogues."""
    return re.sub("[^a-z0-9]+", "_", said.lower()).strip("_")


# Their text: the catalogues' key, system.NAME.
KEYS = {
    **{os.strerror(getattr(errno, name)): name for name in NUMBERS},
    **OF_LIBRARIES,
    **{said: key_of(said) for said in (*OF_BROKERS, *OF_CERTIFICATES)},
}
# "[Errno 28] No space left on device" is how Python writes such an error as a whole.
_SAID = re.compile(
    r"(?:\[(?:Errno|code:) ?-?\d+\] )?\b("
    + "|".join(re.escape(said) for said in sorted(KEYS, key=len, reverse=True))
    + r")\b"
)
_TLS = re.compile(
    r"(?:\[\w+: (\w+)\][^()\[\]]*|("
    + "|".join(re.escape(said) for said in OF_PYTHON)
    + r") )\(_ssl\.c:\d+\)"
)


def system_words(words: str, catalogue: "dict[str, str]") -> str:
    """`words` with each such text in it told by the catalogue."""
    told = _TLS.sub(lambda found: _tls_words(found, catalogue), words)
    return _SAID.sub(lambda found: catalogue[f"system.{KEYS[found.group(1)]}"], told)


def _tls_words(found: "re.Match[str]", catalogue: "dict[str, str]") -> str:
    name, said = found.groups()
    key = OF_PYTHON[said] if said else OF_TLS.get(name)
    return catalogue[f"system.{key}"] if key else found.group(0)
