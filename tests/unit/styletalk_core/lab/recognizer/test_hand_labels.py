"""Proves that hand labels of a folder are read as phones at the right times."""

import wave
from pathlib import Path

import numpy as np

from styletalk_core.lab.recognizer.hand_labels import LABEL_LAG, SOURCE, hand_labelled
from styletalk_core.phones import PHONES

MANIFEST = "file\tsource\tspeaker\tsplit\ttext\n"


def test_closures_belong_to_their_stops_and_pauses_are_silence(tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    (tmp_path / "video").mkdir()
    (tmp_path / "video/manifest.tsv").write_text("clip\tsource\tspeaker\tsplit\taudio\ttext\n")
    rows = [
        f"{name}.wav\t{source}\tx\t{split}\t\n"
        for name, source, split in (("one", SOURCE, "dev"), ("two", SOURCE, "test"), ("three", "other", "dev"))
    ]
    (tmp_path / "speech/manifest.tsv").write_text(MANIFEST + "".join(rows))
    with wave.open(str(tmp_path / "speech/one.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16_000))
    segments = "0 1600 h#\n1600 4800 bcl\n4800 8000 b\n8000 11200 axr\n11200 12800 q\n12800 16000 pau\n"
    (tmp_path / "speech/one.phn").write_text(segments)
    (one,) = hand_labelled(tmp_path, "dev")
    times = np.array([0.0, 0.05, 0.2, 0.4, 0.6, 0.75, 0.9])
    assert [PHONES[phone] for phone in one.at(times + LABEL_LAG)] == ["SIL", "SIL", "B", "B", "ER", "SIL", "SIL"]
    assert len(one.reference.labels) == 30 and PHONES[one.reference.labels[6]] == "B"
