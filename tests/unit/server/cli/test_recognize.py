"""`styletalk recognize` prints one label per frame, as time spans for people and as a list for programs."""

import json
from pathlib import Path

import pytest

from server.cli import main
from styletalk_core.phones import PHONES

SPEECH = Path(__file__).parents[3] / "data" / "speech" / "two_sentences.flac"


def test_people_and_programs_get_the_same_phones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recognize", str(SPEECH), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["fps"] == 30 and told["lookahead_ms"] == 80
    assert len(told["labels"]) == len(told["phones"]) == len(told["times"])
    assert [PHONES[label] for label in told["labels"]] == told["phones"]
    assert main(["recognize", str(SPEECH)]) == 0
    phones: list[str] = []
    end = 0.0
    for line in capsys.readouterr().out.splitlines():
        start, until, phone = line.split()
        assert float(start) == pytest.approx(end, abs=0.002)
        phones += [phone] * round((float(until) - float(start)) * 30)
        end = float(until)
    assert phones == told["phones"]


def test_what_cannot_be_heard_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "noise.wav").write_bytes(b"nothing")
    for words in ([str(tmp_path / "noise.wav")], [str(SPEECH), "--backend", "vosk", "--vosk-model", str(tmp_path)]):
        assert main(["recognize", *words]) == 2
        assert capsys.readouterr().err.startswith("styletalk: ")
