"""Why TLS with a broker failed, and what to do about it."""

from __future__ import annotations

import ssl

CHECK = "Check ORCH_BROKER_URL"
EXPIRED = 10
"""OpenSSL's number for a certificate whose time is over."""
NOT_YET_VALID = 9
OTHER_HOST = (62, 64)
"""Its numbers for a certificate of another host name or address."""

GIVE_OURS = "set ORCH_BROKER_CERT and ORCH_BROKER_KEY to a valid one that its authority has signed"
NOT_BOTH = (
    "ORCH_BROKER_CERT holds no certificate, or ORCH_BROKER_KEY no key. Without ORCH_BROKER_KEY the "
    "file of ORCH_BROKER_CERT must hold both."
)
OF_OURS = {
    "CERTIFICATE_REQUIRED": f"It wants a certificate of ours: {GIVE_OURS}.",
    "CERTIFICATE_EXPIRED": "Our certificate, ORCH_BROKER_CERT, has expired: renew it.",
    "UNKNOWN_CA": "It does not know who signed our certificate, ORCH_BROKER_CERT.",
    "KEY_VALUES_MISMATCH": "ORCH_BROKER_KEY is not the key of ORCH_BROKER_CERT.",
    "NO_CERTIFICATE_OR_CRL_FOUND": "ORCH_BROKER_CA holds no certificate.",
    "NO_START_LINE": NOT_BOTH,
    "PEM lib": NOT_BOTH,
}
"""What to do, by a part of OpenSSL's reason."""


def of_certificate(error: ssl.SSLCertVerificationError) -> str:
    """What to do about a broker's certificate that is not accepted."""
    if error.verify_code == EXPIRED:
        return "Renew it on the broker's machine, and check the clock of this one."
    if error.verify_code == NOT_YET_VALID:
        return "Check the clock of this machine and of the broker's."
    if error.verify_code in OTHER_HOST:
        return f"{CHECK}: name the broker as its certificate does."
    return (
        f"{CHECK}, and set ORCH_BROKER_CA to the file of the authority that signed it "
        "(?ssl_ca_certs=FILE in the address)."
    )


def of_handshake(error: ssl.SSLError) -> str:
    """What to do when TLS fails for another reason."""
    reason = error.reason or str(error)
    known = (remedy for end, remedy in OF_OURS.items() if end in reason)
    return next(
        known,
        f"{CHECK}: redis:// is for a port without TLS. Where Redis wants a certificate of ours, "
        f"{GIVE_OURS}.",
    )
