"""Forms: uploads as they come in, of few files, and what is told of how far they are, for few of them."""

from collections import OrderedDict

from gradio import route_utils, routes
from python_multipart.exceptions import FormParserError
from starlette.formparsers import MultiPartException

from .errors import NO_FILE, Refused

MOST_FILES = 16  # of one upload, Gradio's limit being a thousand; and as many fields that are no files
FOLLOWED = 256  # uploads whose progress is told; Gradio remembers each for good, by a name that the caller chooses

TOO_LARGE = "A file is at most {} MB; save the photo smaller and try again."


class Form(route_utils.GradioMultiPartParser):
    """Gradio's, with one sentence for what it cannot read."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **{**options, "max_files": MOST_FILES, "max_fields": MOST_FILES})

    def on_part_data(self, data, start, end):
        if self._current_part.file is None:  # a field, of which no progress is told
            self._current_part.data += data[start:end]
        else:
            super().on_part_data(data, start, end)

    async def parse(self):
        try:
            form = await super().parse()
        except (MultiPartException, FormParserError) as error:
            if "File size exceeded" in str(error):
                raise Refused(413, TOO_LARGE.format(self.max_file_size // 2**20)) from None
            raise Refused(400, NO_FILE) from None
        files = form.getlist("files")
        if not files or not all(isinstance(file, route_utils.GradioUploadFile) for file in files):
            raise Refused(400, NO_FILE)
        return form


class Progress(route_utils.FileUploadProgress):
    """Gradio's, which forgets the oldest."""

    def __init__(self):
        super().__init__()
        self._statuses, self._signals = _Latest(), _Latest(self._signals.default_factory)


class _Latest(OrderedDict):
    """The last entries; with a factory, what is not there is made."""

    def __init__(self, factory=None):
        super().__init__()
        self._factory = factory

    def __missing__(self, key):
        if self._factory is None:
            raise KeyError(key)
        self[key] = self._factory()
        return self[key]

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        while len(self) > FOLLOWED:
            self.popitem(last=False)


def bound():
    """Have Gradio take uploads so, in this process."""
    route_utils.GradioMultiPartParser = Form
    routes.file_upload_statuses = Progress()
