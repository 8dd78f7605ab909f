"""Checks of meta-nvr that need no other layer. Each problem is one line; the exit code is 1 where there is one.

`layers NAME` only prints the repositories that yocto/kas/NAME.yml fetches.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

import jsonschema
import yaml
from kas import configschema

REPO = pathlib.Path(__file__).resolve().parents[2]
LAYER = REPO / "yocto/meta-nvr"
# Machines whose folder in board/ has another name.
BOARDS = {"jetson-orin-nano-devkit-nvme": "jetson-orin-nano-devkit"}


def kas_problems():
    """The files are YAML, follow the schema of kas, include files that exist, and name each layer's commit in full."""
    files = sorted((REPO / "yocto/kas").glob("*.yml"))
    if not files:
        yield "yocto/kas has no file"
    for path in files:
        name = path.relative_to(REPO)
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            jsonschema.validate(content, configschema.CONFIGSCHEMA)
        except (yaml.YAMLError, jsonschema.ValidationError) as err:
            yield f"{name}: {str(err).splitlines()[0]}"
            continue
        for include in content["header"].get("includes", []):
            if not (REPO / include).is_file():
                yield f"{name}: includes {include}, which does not exist"
        for repo, entry in content.get("repos", {}).items():
            if "url" in entry and not re.fullmatch("[0-9a-f]{40}", str(entry.get("commit", ""))):
                yield f"{name}: repos.{repo}.commit must have 40 hexadecimal digits, got {entry.get('commit')}"
            if "url" not in entry and repo != "nvr":
                yield f"{name}: repos.{repo} has no url"
        machine = content.get("machine")
        if machine and not (REPO / "board" / BOARDS.get(machine, machine) / "board.toml").is_file():
            yield f"{name}: machine {machine} has no board.toml in board/{BOARDS.get(machine, machine)}"


def recipes():
    return sorted(path for path in LAYER.rglob("*.bb*") if path.suffix in (".bb", ".bbappend"))


def file_problems():
    """Every file that a recipe names exists, and every file beside a recipe is named by one."""
    named = set()
    for recipe in recipes():
        base = recipe.name.split("_")[0].split(".bb")[0]
        text = recipe.read_text(encoding="utf-8")
        for name in re.findall(r"file://([A-Za-z0-9@._-]+)", text):
            if name in ("LICENSE", "COPYING.MIT"):
                continue
            found = [folder / name for folder in (recipe.parent / base, recipe.parent / "files") if (folder / name).is_file()]
            if not found:
                yield f"{recipe.relative_to(REPO)}: names file://{name}, which is neither in {base}/ nor in files/"
            named.update(found)
        for name in re.findall(r"^(?:require|include) (\S+)", text, re.M):
            if not (recipe.parent / name).is_file() and not (LAYER / name).is_file():
                yield f"{recipe.relative_to(REPO)}: requires {name}, which does not exist"
        for name in re.findall(r"^inherit (.+)", text, re.M):
            if "nvr_source" in name.split() and not (LAYER / "classes-recipe/nvr_source.bbclass").is_file():
                yield f"{recipe.relative_to(REPO)}: inherits nvr_source, which does not exist"
    for folder in [*LAYER.rglob("recipes-*/*/*/")]:
        if folder.is_dir():
            for path in folder.iterdir():
                if path.is_file() and path not in named and path.suffix not in (".bb", ".bbappend", ".inc"):
                    yield f"{path.relative_to(REPO)}: no recipe names it"
    for name in re.findall(r'WKS_FILE\S* = "(\S+)"', (LAYER / "conf/distro/nvros.conf").read_text(encoding="utf-8")):
        if not (LAYER / "files/wic" / name).is_file():
            yield f"conf/distro/nvros.conf: names {name}, which is not in files/wic/"


def hash_problems():
    """The hashes that recipes have of files of this repository."""
    found = subprocess.run(["md5sum", REPO / "LICENSE"], capture_output=True, text=True, check=True).stdout.split()[0]
    text = (LAYER / "classes-recipe/nvr_source.bbclass").read_text(encoding="utf-8")
    if f"file://LICENSE;md5={found}" not in text:
        yield f"classes-recipe/nvr_source.bbclass: LICENSE has the md5 {found}"
    model = tomllib.loads((REPO / "models/yolo12n-640/model.toml").read_text(encoding="utf-8"))
    (recipe,) = LAYER.glob("recipes-nvr/nvr-models/*.bb")
    version = recipe.stem.split("_")[1]
    if f"easy-yolo {version}," not in model["source"]:
        yield f"{recipe.relative_to(REPO)}: fetches easy-yolo {version}; the manifest says {model['source']}"


def rust_problems():
    """The layer's release has Rust 1.94.1: a higher minimum stops the build there."""
    wanted = tomllib.loads((REPO / "Cargo.toml").read_text(encoding="utf-8"))["package"]["rust-version"]
    if tuple(int(part) for part in wanted.split(".")) > (1, 94, 1):
        yield f"Cargo.toml: rust-version is {wanted}, and wrynose has 1.94.1"


def layers(name):
    """The repositories that yocto/kas/NAME.yml fetches, with those of the files that it includes."""
    content = yaml.safe_load((REPO / "yocto/kas" / f"{name}.yml").read_text(encoding="utf-8"))
    found = {repo for repo, entry in content.get("repos", {}).items() if "url" in entry}
    for include in content["header"].get("includes", []):
        found |= layers(pathlib.Path(include).stem)
    return found


def main():
    if sys.argv[1:2] == ["layers"]:
        print("\n".join(sorted(layers(sys.argv[2]))))
        return 0
    problems = [*kas_problems(), *file_problems(), *hash_problems(), *rust_problems()]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(json.dumps({"kas files": len(list((REPO / "yocto/kas").glob("*.yml"))), "recipes": len(recipes()), "problems": len(problems)}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
