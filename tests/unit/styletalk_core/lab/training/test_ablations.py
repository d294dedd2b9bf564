"""Every ablation removes exactly one component, and results of other settings are never continued."""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from styletalk_core.errors import InputError
from styletalk_core.lab.training import config as settings
from styletalk_core.lab.training.ablations import FULL, SETTINGS, run, variants
from styletalk_core.lab.training.config import Config


def flat(config: Config) -> dict[tuple[str, str], object]:
    return {(table, key): value for table, keys in asdict(config).items() for key, value in keys.items()}


@pytest.mark.parametrize("path", [SETTINGS, SETTINGS.with_name("ablations_of_the_paper.toml")])
def test_each_row_differs_from_the_full_network_in_one_setting(path: Path) -> None:
    rows = {name: flat(config) for name, config in variants(settings.read(path)).items()}
    full = rows.pop(FULL)
    changed = {name: [key for key in full if row[key] != full[key]] for name, row in rows.items()}
    assert all(len(keys) == 1 for keys in changed.values())
    assert changed["no adaptive layers"] == [("network", "experts")]
    assert {key for (_, key), *_ in changed.values()} >= {
        "sync", "style", "temporal", "triplet", "experts", "statistics", "seed",
    }  # fmt: skip


def test_figures_of_other_settings_are_not_continued(tmp_path: Path) -> None:
    full = settings.read(SETTINGS)
    other = replace(full, data=replace(full.data, seed=9))
    (tmp_path / "ablations.json").write_text(json.dumps({"settings": asdict(other), "rows": {}}))
    with pytest.raises(InputError, match="was made with other settings; choose another --output"):
        run(argparse.Namespace(config=SETTINGS, steps=None, output=tmp_path))
