"""The digest of the code behind an answer: another with every change of the code, the same with another comment."""

import pytest

from explorer.answers import code

FILES = {"gradcam/a.py": "x = 1\n", "tabs/b.py": "y = 2\n"}


@pytest.fixture
def digest(tmp_path, monkeypatch):
    monkeypatch.setattr(code, "EVERYTHING", ("gradcam/*.py",))

    def digest(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        code.code_digest.cache_clear()
        return code.code_digest("tabs/b.py", root=tmp_path)

    return digest


def test_code_counts_and_comments_do_not(digest):
    first = digest(FILES)
    assert digest({"gradcam/a.py": "# a reason\n\nx = 1\n"}) == first
    assert digest({"gradcam/a.py": "x = 3\n"}) != first
    assert digest(FILES) == first
    assert digest({"tabs/b.py": "y = 3\n"}) != first


def test_a_new_file_counts(digest):
    first = digest(FILES)
    assert digest({"gradcam/c.py": "z = 1\n"}) != first


def test_files_that_are_gone_are_an_error():
    with pytest.raises(FileNotFoundError, match="no/such"):
        code.code_digest("no/such.py")
