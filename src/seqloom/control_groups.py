"""The Linux control groups of this process, such as those of a container, which limit its processors and its memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[Path]:
    """The folders of the groups that limit what a controller (`cpu`, `memory`) gives this process, of both versions of
    control groups, each followed by those above it; none outside Linux. `root` is the folder that holds `proc` and
    `sys`."""
    try:
        groups, mounts = ((root / "proc/self" / name).read_text(encoding="utf-8") for name in ("cgroup", "mountinfo"))
    except OSError:  # outside Linux
        return
    fields = [line.split(":", 2) for line in groups.splitlines() if line.count(":") >= 2]
    path_of = {name: path for _, controllers, path in fields for name in controllers.split(",")}
    for line in mounts.splitlines():
        mount, _, file_system = line.partition(" - ")
        version_2 = file_system.startswith("cgroup2 ")
        if version_2 or (file_system.startswith("cgroup ") and controller in file_system.split()[-1].split(",")):
            mounted_group, mount_point = mount.split()[3:5]
            top = root / mount_point.replace("\\040", " ").lstrip("/")
            # The one hierarchy of version 2 has no list of controllers in /proc/self/cgroup.
            group = path_of.get("" if version_2 else controller, "/")
            folder = top / _below(PurePosixPath(group), PurePosixPath(mounted_group))
            yield from (folder, *(above for above in folder.parents if above.is_relative_to(top)))


def _below(group: PurePosixPath, mounted: PurePosixPath) -> PurePosixPath:
    """The path of a group below the mounted one. A container may see only its own group, under another path: then it is
    the mounted one."""
    visible = group.is_relative_to(mounted) and ".." not in group.parts
    return group.relative_to(mounted) if visible else PurePosixPath()
