"""What `make demo` shows: example data in every format, validated; a broken copy, validated; converted; trained on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from make_data import main as make_data

HOME = Path("demo")


def run(*arguments: str, cwd: Path) -> int:
    """Show a command as a person would type it, and run it."""
    print(f"\n$ cd {cwd} && {' '.join(arguments)}", flush=True)
    code = subprocess.run(
        [str(Path(sys.executable).parent.resolve() / arguments[0]), *arguments[1:]], cwd=cwd
    ).returncode
    print(f"(exit code {code})", flush=True)
    return code


def break_copy(clean: Path, broken: Path) -> None:
    """Make in a copy the mistakes that cost people a week."""
    shutil.copytree(clean, broken)
    path = broken / "geopixel.json"
    records = json.loads(path.read_text())
    records[0]["polygon"] = records[0].pop(
        "polygons"
    )  # the key as the guide prints it: every mask is ignored
    records[1]["conversations"][1]["value"] = "One <p> tank </p> [SEG] is left."  # three masks, one [SEG]
    records[2]["conversations"].insert(0, {"from": "system", "value": "Be brief."})  # trained as an answer
    path.write_text(json.dumps(records, indent=2))

    lines = (broken / "internvl.jsonl").read_text().splitlines()
    second = json.loads(lines[1])
    second["conversations"][0]["from"] = "user"  # KeyError: the sample is swapped for a random one
    third = json.loads(lines[2])
    third["image"] = "images/scene_99.png"  # missing: swapped as well
    lines[1:3] = [json.dumps(second), json.dumps(third)]
    lines[3] = lines[3][: len(lines[3]) // 2]  # a write that was cut off
    lines.insert(4, "")
    (broken / "internvl.jsonl").write_text("\n".join(lines) + "\n")

    (broken / "images" / "scene_4.png").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )


def main() -> int:
    """Run the demonstration below ``demo/``; exit code 0 if everything behaved as it should."""
    shutil.rmtree(HOME, ignore_errors=True)
    clean, broken = HOME / "clean", HOME / "broken"
    make_data(str(clean))
    print(f"made {clean}: the same scenes as GeoPixel, XComposer, VideoRefer and InternVL data")
    if run("mmdata", "validate", ".", "--media", "header", cwd=clean) != 0:
        print("the clean data should have no findings", file=sys.stderr)
        return 1
    break_copy(clean, broken)
    if run("mmdata", "validate", "geopixel.json", "internvl_meta.json", "--media", "header", cwd=broken) != 1:
        print("the broken data should have findings", file=sys.stderr)
        return 1
    run("mmdata", "validate", "geopixel.json", "internvl.jsonl", "--diff", cwd=broken)
    run("mmdata", "explain", "G05", cwd=broken)
    return convert(clean) or train()


def convert(clean: Path) -> int:
    """GeoPixel to InternVL and back, and how the way back differs: not at all."""
    for source, target, out in (
        ("geopixel.json", "internvl", "../there"),
        ("../there/geopixel.jsonl", "geopixel", "../back"),
    ):
        if run("mmdata", "convert", source, "--to", target, "-o", out, cwd=clean) != 0:
            print("the conversion should lose nothing", file=sys.stderr)
            return 1
    return run("mmdata", "diff", "clean/geopixel.json", "back/geopixel-polygons.json", cwd=HOME)


def train() -> int:
    """A tiny random InternVL learns the example set by heart: the loss falls within a minute, on a CPU."""
    shutil.copytree(HOME / "clean", HOME / "data")
    model = ("mmtrain", "make-tiny", "--family", "internvl", "-o", "models/tiny-internvl")
    settings = ("mmtrain", "init", "--recipe", "tiny-demo")
    for command in (model, settings, ("mmtrain", "launch", "tiny-demo.yaml")):
        if run(*command, cwd=HOME) != 0:
            return 1
    log = [json.loads(line) for line in (HOME / "runs/tiny-demo/train_log.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in log if "loss" in entry]
    print(f"loss: {losses[0]:.2f} at the first step, {losses[-1]:.2f} at the last")
    return 0 if losses[-1] < losses[0] / 2 else 1


if __name__ == "__main__":
    sys.exit(main())
