"""`python -m batch`: exit codes, one sentence on standard error, the report again."""

import pytest

from batch.__main__ import main


def test_a_run_and_its_report(photos, tmp_path, capsys):
    assert main([str(photos), "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    assert "5 photos are explained" in capsys.readouterr().out
    (tmp_path / "out/report.html").unlink()
    assert main(["report", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/report.html").exists()


@pytest.mark.parametrize(
    "arguments",
    [["nowhere"], ["PHOTOS", "--model", "nobody"], ["PHOTOS", "--targets", "rosa"], ["PHOTOS", "--layers", "conv9"]],
)
def test_a_refusal_is_one_sentence_and_code_2(arguments, photos, tmp_path, capsys):
    arguments = [str(photos) if word == "PHOTOS" else word for word in arguments]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.endswith(".\n")


@pytest.mark.parametrize(
    "wrong", [["--workers", "-1"], ["--batch-size", "0"], ["--threads", "x"], ["--engine", "spark"]]
)
def test_wrong_numbers_are_refused(wrong, photos, tmp_path):
    with pytest.raises(SystemExit) as caught:
        main([str(photos), "--out", str(tmp_path / "out"), *wrong])
    assert caught.value.code == 2


def test_an_output_that_cannot_be_written_is_one_sentence_and_code_3(photos, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(photos), "--out", str(tmp_path / "file" / "out")]) == 3
    assert "cannot be written to" in capsys.readouterr().err
