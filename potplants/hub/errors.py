"""HubError, and the sentence for each way in which a request or download can fail."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator

from huggingface_hub import errors

from potplants.catalogue import HubFile
from potplants.hub.client import UnexpectedContentError, endpoint

CHECK_NETWORK = "check the network and HF_ENDPOINT, or use an embedded model, which needs neither"
TRY_LATER = "try again later, or use an embedded model"
CHECK_ADDRESS = "check that HF_ENDPOINT names a Hub and that no proxy answers in its place"


class HubError(OSError):
    """A file could not be fetched from the Hub.

    `file` is the HubFile, `fault` says in a clause what went wrong ("the Hub cannot be reached (connection
    refused)"); the message adds which file, from which address, and what to do.
    """

    def __init__(self, file: HubFile, fault: str, remedy: str) -> None:
        super().__init__(f"{file.path} of {file.repo} could not be had from {endpoint()}: {fault}; {remedy}.")
        self.file, self.fault = file, fault


# Exception type anywhere in the chain of causes, fault, remedy; the first that matches is used.
_FAULTS: tuple[tuple[type[BaseException], str, str], ...] = (
    (errors.OfflineModeIsEnabled, "the Hub may not be asked (HF_HUB_OFFLINE is set)", "unset HF_HUB_OFFLINE"),
    (socket.gaierror, "the Hub cannot be reached (its name is not known to DNS)", CHECK_NETWORK),
    (ConnectionRefusedError, "the Hub cannot be reached (connection refused)", CHECK_NETWORK),
    (ConnectionResetError, "the Hub cannot be reached (connection reset)", TRY_LATER),
    (ssl.SSLError, "the Hub cannot be reached (its certificate is not trusted)", CHECK_NETWORK),
    (UnexpectedContentError, "the Hub sends something else than it announced", TRY_LATER),
    (errors.FileMetadataError, "what answers there is not a Hub", CHECK_ADDRESS),
)


def hub_error(file: HubFile, error: Exception, timeout: float) -> HubError:
    """The HubError for any exception, chosen by the exceptions in its chain of causes."""
    if not endpoint().startswith(("http://", "https://")):
        return HubError(file, "HF_ENDPOINT is no web address", "set it to one, or unset it")
    for cause in _causes(error):
        if isinstance(cause, errors.HfHubHTTPError):
            return HubError(file, *_http_fault(cause))
    for kind, fault, remedy in _FAULTS:
        if caused_by(error, kind):
            return HubError(file, fault, remedy)
    if caused_by(error, TimeoutError):
        return HubError(file, f"the Hub did not answer within {timeout:g} s", CHECK_NETWORK)
    for cause in _causes(error):
        if isinstance(cause, OSError) and (cause.filename is not None or cause.errno == errno.ENOSPC):
            fault = f"the cache cannot be written ({cause.strerror})"
            return HubError(file, fault, "make room, or set HF_HOME to another folder")
    return HubError(file, f"the download failed ({type(error).__name__}: {_first_line(error)})", TRY_LATER)


def caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an exception of this type is in the chain of causes."""
    return any(isinstance(cause, kind) for cause in _causes(error))


def _http_fault(error: errors.HfHubHTTPError) -> tuple[str, str]:
    """Fault and remedy for an HTTP error status. The order matters: gated repositories are 'not found' too."""
    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError) or (status in (401, 403) and not _is_not_found(error)):
        return f"the Hub refuses access ({status})", "ask for access on the repository's page and set HF_TOKEN"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"the Hub has no such file ({status})", "check the file's name on the repository's page"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the Hub has no such revision ({status})", "check the revision on the repository's page"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"the Hub has no such public repository ({status})", "check its name, or set HF_TOKEN if it is private"
    if status == 404:
        return "what answers there has no such page (404)", CHECK_ADDRESS
    if status == 429:
        return "the Hub has been asked too often (429)", TRY_LATER
    if status >= 500:
        return f"the Hub itself fails ({status})", TRY_LATER
    return f"the Hub answers with status {status}", CHECK_ADDRESS


def _is_not_found(error: errors.HfHubHTTPError) -> bool:
    """The Hub answers 401 for a missing repository, so that it cannot be distinguished from a private one."""
    return isinstance(error, (errors.RepositoryNotFoundError, errors.RemoteEntryNotFoundError))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no more is known"])[0].rstrip(".")
