#!/usr/bin/env python3
"""What a release hands out for the boards of BOARDS, from what `make image` left in output/BOARD:

    gatehouse-VERSION-BOARD.img.xz   the card, and .sha256 beside it
    gatehouse-VERSION-BOARD.bmap     its blocks that must be written (bmaptool; Imager over fastboot)
    gatehouse-VERSION-BOARD.cdx.json what is in it: crates and Debian packages (CycloneDX 1.5)
    gatehouse-BOARD.update           the signed update, if `make bundle` made it
    os_list.json                     the list for Raspberry Pi Imager (its "content repository")
    gatehouse.rpi-imager-manifest    the same, for a double click
    SHA256SUMS                       of all of these

usage: assets.py OUTPUT DIRECTORY URL BOARD...     OUTPUT holds a directory for each board; URL is where DIRECTORY will
be downloaded from, or - for the files as they lie here.
"""

import datetime
import hashlib
import json
import lzma
import pathlib
import re
import shutil
import struct
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
BLOCK = 4096
SECTOR = 512
COMPRESSED_MAX = 64 << 20  # a promise to those who download
ICON = TOP / "docs/icon.svg"

# What Imager calls the boards; `tag` joins a device of its first page with the images for it.
DEVICES = {
    "rpi3_64": ("Raspberry Pi 3", "Models A+, B and B+", "pi3-64bit"),
    "rpi4_64": ("Raspberry Pi 4", "Model B, 400 and Compute Module 4", "pi4-64bit"),
    "rpi5_64": ("Raspberry Pi 5", "Model B and 500", "pi5-64bit"),
    "zero2w_64": ("Raspberry Pi Zero 2 W", "With an Ethernet adapter on USB", "pizero2-64bit"),
}

# How settings reach the card. Imager before 2.0.11 knows the second form only.
FORMATS = {"rpi-preseed": "", "cloudinit": " (for Imager before 2.0.11)"}


def fail(text):
    sys.exit(f"error: {text}")


def say(text):
    print(text, file=sys.stderr)


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def version():
    lines = (TOP / "Cargo.toml").read_text().splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("version = "))


def release_of(board_output):
    lines = (board_output / "release").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def compress(image, target):
    """The same image gives the same file: one thread, one block."""
    with open(image, "rb") as source, lzma.open(target, "wb", preset=9) as packed:
        shutil.copyfileobj(source, packed, 1 << 20)
    if target.stat().st_size > COMPRESSED_MAX:
        fail(f"{target.name} is larger than {COMPRESSED_MAX >> 20} MiB")


def written_end(image, slot):
    """Up to here the card must be written: past it lie the empty slot and the data partition, which nothing reads."""
    with open(image, "rb") as file:
        table = file.read(SECTOR)
    start_of_slot_a = struct.unpack_from("<I", table, 446 + 16 + 8)[0] * SECTOR
    return start_of_slot_a + slot.stat().st_size


def bmap(image, slot):
    size = image.stat().st_size
    blocks = -(-size // BLOCK)
    last = -(-written_end(image, slot) // BLOCK) - 1
    digest = hashlib.sha256()
    with open(image, "rb") as file:
        left = min((last + 1) * BLOCK, size)
        while left:
            piece = file.read(min(left, 1 << 20))
            digest.update(piece)
            left -= len(piece)
    empty = "0" * 64
    text = f"""<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize>{size}</ImageSize>
    <BlockSize>{BLOCK}</BlockSize>
    <BlocksCount>{blocks}</BlocksCount>
    <MappedBlocksCount>{last + 1}</MappedBlocksCount>
    <ChecksumType>sha256</ChecksumType>
    <BmapFileChecksum>{empty}</BmapFileChecksum>
    <BlockMap>
        <Range chksum="{digest.hexdigest()}">0-{last}</Range>
    </BlockMap>
</bmap>
"""
    # The checksum is of the file with zeros in the place of the checksum.
    return text.replace(empty, hashlib.sha256(text.encode()).hexdigest(), 1)


def crates():
    """Every crate that is linked into gatehouse for arm64, and none that only tests or the build use."""
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform=aarch64-unknown-linux-gnu"]
    known = json.loads(subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in known["packages"]}
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    wanted, seen = [known["resolve"]["root"]], set()
    while wanted:
        node = nodes[wanted.pop()]
        if node["id"] in seen:
            continue
        seen.add(node["id"])
        for dependency in node["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                wanted.append(dependency["pkg"])
    seen.remove(known["resolve"]["root"])
    for package in sorted((packages[one] for one in seen), key=lambda one: (one["name"], one["version"])):
        component = {
            "type": "library",
            "name": package["name"],
            "version": package["version"],
            "purl": f"pkg:cargo/{package['name']}@{package['version']}",
        }
        if package["license"]:
            component["licenses"] = [{"expression": re.sub(r" */ *", " OR ", package["license"])}]
        yield component


def debian_packages(board_output):
    """Those that the builder took something from, as it noted them: NAME_VERSION_ARCHITECTURE, escaped like a file."""
    for line in sorted(set((board_output / "packages").read_text().split())):
        name, escaped, architecture = line.split("_")
        number = escaped.replace("%3a", ":")
        yield {
            "type": "library",
            "name": name,
            "version": number,
            "purl": f"pkg:deb/debian/{name}@{escaped.replace('+', '%2B')}?arch={architecture}",
        }


def bill_of_materials(board, board_output):
    about = release_of(board_output)
    when = datetime.datetime.fromtimestamp(int(about["BUILD_TIME"]), datetime.timezone.utc)
    components = [*crates(), *debian_packages(board_output)]
    for component in components:
        component["bom-ref"] = component["purl"]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "firmware",
                "bom-ref": f"gatehouse-{board}",
                "name": f"gatehouse-{board}",
                "version": version(),
                "licenses": [{"expression": "Apache-2.0 OR MIT"}],
            },
        },
        "components": components,
    }


def entries(board, about, image, packed, bmap_name, where):
    """The images of a board as Imager lists them."""
    name, _, tag = DEVICES[board]
    day = datetime.datetime.fromtimestamp(int(about["BUILD_TIME"]), datetime.timezone.utc).date()
    for init_format, note in FORMATS.items():
        yield {
            "name": f"Gatehouse {version()} for {name}{note}",
            "description": "MQTT broker, devices and automation of a home gateway",
            "icon": where(ICON.name),
            "url": where(packed.name),
            "bmap_url": where(bmap_name),
            "extract_size": image.stat().st_size,
            "extract_sha256": sha256(image),
            "image_download_size": packed.stat().st_size,
            "image_download_sha256": sha256(packed),
            "release_date": day.isoformat(),
            "devices": [tag],
            "init_format": init_format,
            "architecture": "armv8",
            "capabilities": [],
        }


def imager_list(boards, listed):
    devices = [
        {"name": name, "description": about, "tags": [tag], "matching_type": "exclusive", "architecture": "armv8"}
        for name, about, tag in (DEVICES[board] for board in boards)
    ]
    return {"imager": {"devices": devices}, "os_list": listed}


def write(path, text):
    path.write_text(text)
    say(f"   {path.name}")


def main(output, directory, url, *boards):
    directory = pathlib.Path(directory).resolve()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    where = (lambda name: (directory / name).as_uri()) if url == "-" else (lambda name: f"{url.rstrip('/')}/{name}")
    shutil.copy(ICON, directory)
    listed = []
    for board in boards:
        if board not in DEVICES:
            fail(f"Imager has no board '{board}'; it has: {' '.join(DEVICES)}")
        board_output = pathlib.Path(output) / board
        image = board_output / f"gatehouse-{board}.img"
        if not image.exists():
            fail(f"no image yet: run 'make image BOARD={board}'")
        stem = f"gatehouse-{version()}-{board}"
        say(f"{stem}: packing")
        packed = directory / f"{stem}.img.xz"
        compress(image, packed)
        write(directory / f"{packed.name}.sha256", f"{sha256(packed)}  {packed.name}\n")
        write(directory / f"{stem}.bmap", bmap(image, board_output / "slot.img"))
        write(directory / f"{stem}.cdx.json", json.dumps(bill_of_materials(board, board_output), indent=1) + "\n")
        update = board_output / f"gatehouse-{board}.update"
        if update.exists():
            shutil.copy(update, directory)
        listed += entries(board, release_of(board_output), image, packed, f"{stem}.bmap", where)
    text = json.dumps(imager_list(boards, listed), indent=1) + "\n"
    for name in ["os_list.json", "gatehouse.rpi-imager-manifest"]:
        write(directory / name, text)
    sums = "".join(f"{sha256(file)}  {file.name}\n" for file in sorted(directory.iterdir()))
    write(directory / "SHA256SUMS", sums)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
