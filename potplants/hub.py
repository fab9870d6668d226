"""Getting one file from the Hugging Face Hub: the cache first, then a brief probe, then the download.

`huggingface_hub` does the work. What is added here is patience with an end: left to itself it waits 24 s for a Hub
that refuses and minutes for one that never answers. Each step that touches the network runs in the background,
where name resolution and half-open connections cannot hold anyone up, and is waited for only so long.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path

from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.utils import set_client_factory, tqdm
from huggingface_hub.utils._http import default_client_factory

from potplants.catalogue import HubFile

MOST_BYTES = 2 * 10**9  # of a file; the largest published here has 131 MB
PROBE_SECONDS = 3.0  # a Hub that is up answers within one
STALL_SECONDS = 4.0  # without a single byte, after which a download is waited for no longer
SLOW_SECONDS = 120.0  # the longest wait for a download that does move: the published 131 MB at 1 MB/s
_POLL_SECONDS = 0.1

# Two habits of the library for which it has no argument; it looks both up each time they matter.
# It reads a body in pieces of 10 MB: over a slow line that is ten seconds without a sign of life, and as much is lost
# when the connection breaks.
constants.DOWNLOAD_CHUNK_SIZE = 2**18
# Before its first question it asks the Hub how to recognise coding agents, to name them in its own telemetry, and
# waits up to 3 s for that: all the patience there is for the question itself.
constants.HF_HUB_DISABLE_TELEMETRY = True


class NotAsAnnouncedError(OSError):
    """What the Hub sends is not what it said it would send."""


def _client():
    """The library's own, which takes nothing compressed: a small body could become one of any size."""
    client = default_client_factory()
    client.headers["Accept-Encoding"] = "identity"
    client.event_hooks = {**client.event_hooks, "response": [_refuse_compressed]}
    return client


def _refuse_compressed(response):
    if response.is_success and response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NotAsAnnouncedError("compressed, which nobody asked for")


set_client_factory(_client)

Progress = Callable[[float], object]  # told how much has come, 0…1


class HubError(OSError):
    """A file that could not be had from the Hub.

    `file` is the HubFile, `fault` says in a clause what went wrong ("the Hub cannot be reached (connection
    refused)"); the message adds what was asked, of whom, and what to do.
    """

    def __init__(self, file: HubFile, fault: str, remedy: str) -> None:
        super().__init__(f"{file.path} of {file.repo} could not be had from {endpoint()}: {fault}; {remedy}.")
        self.file, self.fault = file, fault


def endpoint() -> str:
    """Where the Hub is now. `huggingface_hub` reads HF_ENDPOINT only once, when it is imported."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def cached(file: HubFile) -> Path | None:
    """Where the file lies in the cache, or None. A newer revision is not asked for: these weights are published."""
    try:
        found = try_to_load_from_cache(file.repo, file.path, revision=file.revision)
    except (
        OSError,
        ValueError,
    ):  # a cache that may not or cannot be read holds nothing for us; the download will say why
        return None
    return Path(found) if isinstance(found, str) else None  # it may also be a note that the Hub had no such file


def fetch(file: HubFile, progress: Progress | None = None) -> Path:
    """The file's path in the cache, downloaded if need be; HubError says why not.

    `progress` is called in this thread, and only if there is something to download. A connection that breaks is
    resumed where it broke. A download that stalls, or drips, is given up here but goes on in the background, and the
    next call joins it; one that has failed for good is begun anew, since `huggingface_hub` keeps no partial file.
    """
    path = cached(file)
    if path is None:
        size = probe(file)
        if size is not None and size > MOST_BYTES:
            raise HubError(file, f"it has more than {MOST_BYTES / 10**9:g} GB", "choose another model")
        path = _download(file, progress, size)
    return path


def evict(file: HubFile) -> None:
    """Drop the cached copy, if any, so that the next `fetch` downloads it anew.

    Both the named link and what it points at must go: while the content stays, it would be linked again.
    """
    path = cached(file)
    if path is not None:
        _remove(path)


def _clear_up_after_the_killed(path: Path) -> None:
    """Delete what downloads that were killed left of this file: the library names each part anew, and never looks for old ones."""
    content = path.resolve()
    for part in content.parent.glob(f"{content.name}.*.incomplete"):
        part.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    content = path.parent / path.readlink() if path.is_symlink() else path
    for there in (path, content):
        if there.is_dir() and not there.is_symlink():
            shutil.rmtree(there)
        else:
            there.unlink(missing_ok=True)


# ---------------------------------------------------------------------------------------------------------- asking

_lock = threading.Lock()
_probes: dict[tuple[str, HubFile], tuple[float, Future]] = {}


def probe(file: HubFile, *, patience: float | None = None, remember: float = 0.0) -> int | None:
    """The bytes that the Hub announces, if it tells, where it would hand the file over now; raise HubError where not.

    It is waited for `patience` seconds (PROBE_SECONDS). An answer, or a question, younger than `remember` seconds
    is used again.
    """
    patience = PROBE_SECONDS if patience is None else patience
    asked, answer = _question(file, remember)
    try:
        return answer.result(timeout=max(0.0, asked + patience - time.monotonic()))
    except Exception as error:
        raise _hub_error(file, error, patience) from error


def _question(file: HubFile, remember: float) -> tuple[float, Future]:
    """When the Hub was asked for the file, and its answer to be."""
    key = endpoint(), file
    with _lock:
        known = _probes.get(key)
        if known is None or time.monotonic() - known[0] > remember:
            known = _probes[key] = time.monotonic(), _in_background(_head, *key)
        return known


def _head(hub: str, file: HubFile) -> int | None:
    url = hf_hub_url(file.repo, file.path, revision=file.revision, endpoint=hub)
    metadata = get_hf_file_metadata(url, timeout=PROBE_SECONDS, endpoint=hub)
    if metadata.commit_hash is None or metadata.etag is None:
        raise errors.FileMetadataError(f"{url} answers without the headers of a Hub.")
    return metadata.size


# ------------------------------------------------------------------------------------------------------ downloading

_downloads: dict[tuple[str, HubFile], _Download] = {}


def _download(file: HubFile, progress: Progress | None, size: int | None) -> Path:
    """Join the download of this file that is under way, or start one."""
    key = endpoint(), file
    with _lock:
        download = _downloads.get(key)
        if download is None or download.outcome.done():
            download = _downloads[key] = _Download(*key, size or MOST_BYTES)
    if fault := download.follow(progress):
        raise HubError(file, fault, f"it goes on by itself; {_LATER}")
    try:
        path = download.outcome.result()
    except Exception as error:
        raise _hub_error(file, error, STALL_SECONDS) from error
    if progress is not None:
        progress(1.0)
    return path


class _Download:
    """One download in the background. It outlives the patience of those who wait: what comes late is cached."""

    def __init__(self, hub: str, file: HubFile, most: int) -> None:
        self.fraction = 0.0
        self._moved = time.monotonic()
        self.outcome: Future[Path] = _in_background(self._run, hub, file, most)

    def follow(self, progress: Progress | None) -> str:
        """Wait as long as bytes keep coming, but not for ever; "" at the end, before it why it is waited for no longer."""
        joined = time.monotonic()
        while not wait([self.outcome], timeout=_POLL_SECONDS).done:
            if progress is not None:
                progress(self.fraction)
            now = time.monotonic()
            if now - max(joined, self._moved) > STALL_SECONDS:
                return f"the Hub sent nothing for {STALL_SECONDS:g} s, at {self.fraction:.0%}"
            if now - joined > SLOW_SECONDS:
                return f"the Hub is slow: {self.fraction:.0%} has come after {SLOW_SECONDS:g} s"
        return ""

    def _run(self, hub: str, file: HubFile, most: int) -> Path:
        def once() -> Path:
            bar = _reporting_bar(self._report, most)
            options = {"endpoint": hub, "etag_timeout": PROBE_SECONDS, "tqdm_class": bar}
            return Path(hf_hub_download(file.repo, file.path, revision=file.revision, **options))

        def in_place() -> Path:
            path = once()
            if path.is_file():
                _clear_up_after_the_killed(path)
                return path
            _remove(path)  # something else has taken the file's place in the cache, and the library hands that over
            return once()

        try:
            return in_place()
        except Exception as error:
            # A connection that ends early is taken up again inside; one that is reset is not, so begin once more.
            if not _caused_by(error, ConnectionResetError):
                raise
            return in_place()

    def _report(self, count: float, done: float, size: float | None) -> None:
        if count > 0:
            self._moved = time.monotonic()
        if size:
            self.fraction = max(self.fraction, min(done / size, 1.0))  # never backwards, also when begun again


def _reporting_bar(report: Callable[[float, float, float | None], None], most: int) -> type[tqdm]:
    """The terminal's usual bar, which also tells `report` of each update: count, done so far, size.

    It hears of bytes before they are written, and raises NotAsAnnouncedError where they are more than `most`.
    """

    class Bar(tqdm):
        def __init__(self, *args, total: float | None = None, initial: float = 0, **kwargs) -> None:
            self._size, self._done = total, initial  # kept here too: without a terminal, tqdm counts nothing
            super().__init__(*args, total=total, initial=initial, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            self._done += n or 0
            if self._done > most:
                raise NotAsAnnouncedError(f"more than {most} bytes")
            report(n or 0, self._done, self._size)
            return super().update(n)

    return Bar


def _in_background(function: Callable, *args) -> Future:
    """Run in a daemon thread. A ThreadPoolExecutor's threads would keep the process from ending."""
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(function(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=f"hub-{function.__name__.strip('_')}", daemon=True).start()
    return future


# ------------------------------------------------------------------------------------------------- saying what failed

_NETWORK = "check the network and HF_ENDPOINT, or use an embedded model, which needs neither"
_LATER = "try again later, or use an embedded model"
_ADDRESS = "check that HF_ENDPOINT names a Hub and that no proxy answers in its place"

# What stands at the root of a failure, what to call it, and what to do; the first that fits is told.
_FAULTS: tuple[tuple[type[BaseException], str, str], ...] = (
    (errors.OfflineModeIsEnabled, "the Hub may not be asked (HF_HUB_OFFLINE is set)", "unset HF_HUB_OFFLINE"),
    (socket.gaierror, "the Hub cannot be reached (its name is not known to DNS)", _NETWORK),
    (ConnectionRefusedError, "the Hub cannot be reached (connection refused)", _NETWORK),
    (ConnectionResetError, "the Hub cannot be reached (connection reset)", _LATER),
    (ssl.SSLError, "the Hub cannot be reached (its certificate is not trusted)", _NETWORK),
    (NotAsAnnouncedError, "the Hub sends something else than it announced", _LATER),
    (errors.FileMetadataError, "what answers there is not a Hub", _ADDRESS),
)


def _hub_error(file: HubFile, error: Exception, patience: float) -> HubError:
    """The sentence for a failure, found by what stands anywhere in its chain of causes."""
    if not endpoint().startswith(("http://", "https://")):
        return HubError(file, "HF_ENDPOINT is no web address", "set it to one, or unset it")
    for cause in _chain(error):
        if isinstance(cause, errors.HfHubHTTPError):
            return HubError(file, *_http_fault(cause))
    for kind, fault, remedy in _FAULTS:
        if _caused_by(error, kind):
            return HubError(file, fault, remedy)
    if _caused_by(error, TimeoutError):
        return HubError(file, f"the Hub did not answer within {patience:g} s", _NETWORK)
    for cause in _chain(error):
        if isinstance(cause, OSError) and (cause.filename is not None or cause.errno == errno.ENOSPC):
            fault = f"the cache cannot be written ({cause.strerror})"
            return HubError(file, fault, "make room, or set HF_HOME to another folder")
    return HubError(file, f"the download failed ({type(error).__name__}: {_first_line(error)})", _LATER)


def _http_fault(error: errors.HfHubHTTPError) -> tuple[str, str]:
    """Fault and remedy for an answer that is a refusal. The order matters: gated repositories are 'not found' too."""
    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError) or (status in (401, 403) and not _says_missing(error)):
        return f"the Hub refuses access ({status})", "ask for access on the repository's page and set HF_TOKEN"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return f"the Hub has no such file ({status})", "check the file's name on the repository's page"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the Hub has no such revision ({status})", "check the revision on the repository's page"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"the Hub has no such public repository ({status})", "check its name, or set HF_TOKEN if it is private"
    if status == 404:
        return "what answers there has no such page (404)", _ADDRESS
    if status == 429:
        return "the Hub has been asked too often (429)", _LATER
    if status >= 500:
        return f"the Hub itself fails ({status})", _LATER
    return f"the Hub answers with status {status}", _ADDRESS


def _says_missing(error: errors.HfHubHTTPError) -> bool:
    """The Hub hides a missing repository behind 401, so as not to tell it from a private one."""
    return isinstance(error, (errors.RepositoryNotFoundError, errors.RemoteEntryNotFoundError))


def _caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    return any(isinstance(cause, kind) for cause in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no more is known"])[0].rstrip(".")
