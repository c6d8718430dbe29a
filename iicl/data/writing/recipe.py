"""Hashes of everything that the content of a prepared corpus depends on."""

import hashlib
import json
import os
from pathlib import Path

import av
import numpy as np

from iicl.config import Preparation
from iicl.constants import GOP
from iicl.data.manifest import FORMAT, Listing
from iicl.data.media.transcode import VERSION


def settings(preparation: Preparation) -> dict[str, float | int]:
    """The settings of a preparation as the manifest states them."""
    return preparation.model_dump() | {"gop": GOP}


def versions() -> dict[str, str]:
    """Versions of the libraries that decode and encode, by name."""
    libraries = {
        name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())
    }
    return {"av": av.__version__, "numpy": np.__version__, **libraries}


def fingerprint(listing: Listing, source: Path, preparation: Preparation) -> str:
    """Sha256 over listing, file sizes, modification times and settings; reads no media."""
    rows = []
    for item in listing.items:
        path, stamp = None, None
        if item.path is not None:
            path = os.path.relpath(item.path, source)
            if os.access(item.path, os.R_OK):  # no broken link, nothing forbidden
                status = item.path.stat()
                stamp = [status.st_size, status.st_mtime_ns]
        segment = [item.start_seconds, item.end_seconds]
        rows.append(
            [item.id, path, stamp, item.labels, sorted(item.splits.items()), item.group, segment]
        )
    official = sorted(listing.num_official.items())
    text = json.dumps([FORMAT, VERSION, settings(preparation), rows, official])
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def digest(preparation: Preparation) -> str:
    """Sha256 over everything that a payload depends on except its source."""
    text = json.dumps([FORMAT, VERSION, settings(preparation), versions()])
    return hashlib.sha256(text.encode("ascii")).hexdigest()
