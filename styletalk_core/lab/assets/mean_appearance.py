"""Averages the appearance of synthetic faces (SFHQ, MIT licence), against which `same_person` compares photos.

python -m styletalk_core.lab.assets.mean_appearance ../shared/data/portraits_open ../shared/data/portraits_closed
"""

import argparse
from pathlib import Path

import numpy as np

from styletalk_core.rendering.portrait.image_file import load
from styletalk_core.rendering.portrait.photo import find_landmarks
from styletalk_core.rendering.portrait.same_person import FILE, appearance


def main() -> None:
    """Writes weights/mean_appearance.npy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path, nargs="+", help="folders with images of one face each")
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    images = [load(path) for folder in args.portraits for path in sorted(folder.glob("*.jpg"))]
    seen = [appearance(image, find_landmarks(image)) for image in images]
    np.save(args.out, np.mean(seen, axis=0).astype(np.float32))


if __name__ == "__main__":
    main()
