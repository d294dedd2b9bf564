"""Every ablation lacks exactly one thing."""

from dataclasses import asdict

from styletalk_core.training.ablations import FULL, variants
from styletalk_core.training.config import Config


def flat(config: Config) -> dict[tuple[str, str], object]:
    return {(table, key): value for table, keys in asdict(config).items() for key, value in keys.items()}


def test_each_row_differs_from_the_full_network_in_one_setting() -> None:
    rows = {name: flat(config) for name, config in variants(Config()).items()}
    full = rows.pop(FULL)
    changed = {name: [key for key in full if row[key] != full[key]] for name, row in rows.items()}
    assert all(len(keys) == 1 for keys in changed.values())
    assert changed["no adaptive layers"] == [("network", "experts")]
    assert {key for (_, key), *_ in changed.values()} >= {"sync", "style", "temporal", "triplet", "experts"}
