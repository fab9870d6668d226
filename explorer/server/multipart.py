"""Multipart uploads: parsed as they arrive, with a bounded number of files and of tracked upload progresses."""

from collections import OrderedDict

from gradio import route_utils, routes
from python_multipart.exceptions import FormParserError
from starlette.formparsers import MultiPartException

from .errors import NO_FILE, RequestError

MAX_FILES = 16  # per upload, Gradio's limit being a thousand; and as many fields that are no files
MAX_TRACKED = 256  # uploads with a progress; Gradio keeps each for good, by a name that the client chooses

TOO_LARGE = "A file is at most {} MB; save the photo smaller and try again."


class UploadParser(route_utils.GradioMultiPartParser):
    """Gradio's, with one sentence for what it cannot read."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **{**options, "max_files": MAX_FILES, "max_fields": MAX_FILES})

    def on_part_data(self, data, start, end):
        if self._current_part.file is None:  # a field, which has no progress
            self._current_part.data += data[start:end]
        else:
            super().on_part_data(data, start, end)

    async def parse(self):
        try:
            form = await super().parse()
        except (MultiPartException, FormParserError) as error:
            if "File size exceeded" in str(error):
                raise RequestError(413, TOO_LARGE.format(int(self.max_file_size) // 2**20)) from None
            raise RequestError(400, NO_FILE) from None
        files = form.getlist("files")
        if not files or not all(isinstance(file, route_utils.GradioUploadFile) for file in files):
            raise RequestError(400, NO_FILE)
        return form


class UploadProgress(route_utils.FileUploadProgress):
    """Gradio's, which forgets the oldest uploads."""

    def __init__(self):
        super().__init__()
        new_signal = self._signals.default_factory
        self._statuses, self._signals = _BoundedDict(), _BoundedDict(new_signal)


class _BoundedDict(OrderedDict):
    """The last MAX_TRACKED entries; with a factory, a defaultdict."""

    def __init__(self, default_factory=None):
        super().__init__()
        self.default_factory = default_factory

    def __missing__(self, key):
        if self.default_factory is None:
            raise KeyError(key)
        self[key] = self.default_factory()
        return self[key]

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        while len(self) > MAX_TRACKED:
            self.popitem(last=False)


def install():
    """Have Gradio use both, in this process."""
    route_utils.GradioMultiPartParser = UploadParser
    routes.file_upload_statuses = UploadProgress()
