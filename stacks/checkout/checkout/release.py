"""What this release is: the settings that are built into the image (releases/*.env)."""

from pathlib import Path


def _read(path):
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


settings = _read(Path(__file__).with_name("release.env"))
VERSION = settings.get("VERSION", "development")
