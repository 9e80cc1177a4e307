"""Copy the score files of a finished ``gsmbench demo`` into the package: ``manifests/shapes/scores``.

    python benchmarks/ship_scores.py demo

Names of the machine are left out: list path, command, host, times.
"""

import dataclasses
import sys
from pathlib import Path

from gsm_bench.scorefile import content_hash, read, write

TARGET = Path(__file__).parents[1] / "manifests" / "shapes" / "scores"
OF_THE_MACHINE = ("list_path", "frames_path", "command_line", "host", "started", "finished", "device")


def main(demo: Path) -> None:
    for path in sorted((demo / "scores").rglob("*.h5")):
        content = read(path)
        kept = {key: value for key, value in content.provenance.to_dict().items() if key not in OF_THE_MACHINE}
        target = TARGET / path.relative_to(demo / "scores")
        write(target, dataclasses.replace(content, provenance=kept), force=True)
        assert content_hash(target) == content_hash(path)
        print(target.relative_to(TARGET), f"{target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
