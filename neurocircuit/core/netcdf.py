"""netCDF 3 bytes in and out: byte-stable, sealed by a hash, refused by name when damaged or foreign."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurocircuit.errors import FileFormatError, InputError

SCHEMA_VERSION = 1
CONVENTION = "neurocircuit TransferTable"


def read_dataset(path: Path) -> xr.Dataset:
    """Return the whole content of a netCDF 3 file.

    Raise FileFormatError naming the file when it is damaged or another kind.

    Raise InputError when it cannot be read at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if data[:3] != b"CDF":
        raise FileFormatError(f"{path} must be a netCDF 3 file, got one that starts with {data[:8]!r}")
    try:
        with xr.open_dataset(io.BytesIO(data), engine="scipy", decode_times=False, mask_and_scale=False) as dataset:
            return _without_fill_values(dataset.load())
    except Exception as error:  # a damaged header makes the parser raise nearly anything
        raise FileFormatError(f"{path} is damaged or cut short ({len(data)} bytes): {error}") from error


def _without_fill_values(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset without the fill value nan that xarray gives to floats when it saves: it fills nothing."""
    for variable in dataset.variables.values():
        fill = variable.attrs.get("_FillValue")
        if isinstance(fill, float | np.floating) and np.isnan(fill):
            del variable.attrs["_FillValue"]
    return dataset


def dataset_bytes(dataset: xr.Dataset) -> bytes:
    """Return the content of a netCDF 3 file; equal data give equal bytes (no date, no host, no fill values)."""
    ordered = xr.Dataset(
        {name: dataset[name].variable for name in sorted(map(str, dataset.data_vars))},
        {name: dataset[name].variable for name in sorted(map(str, dataset.coords))},
        dict(sorted(dataset.attrs.items())),
    )
    for name in ordered.variables:
        ordered[name].encoding = {"_FillValue": None} if ordered[name].dtype.kind == "f" else {}
    return bytes(ordered.to_netcdf(engine="scipy"))


def seal(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with its content hash in the attributes."""
    return dataset.assign_attrs(content_sha256=content_sha256(dataset))


def check_seal(dataset: xr.Dataset, path: Path) -> None:
    """Raise FileFormatError unless this is a transfer table of our schema, unchanged since it was written."""
    axes = ("level", "input_jitter", "bits")
    check_sealed(dataset, path, CONVENTION, "a transfer table", SCHEMA_VERSION, axes)


def check_sealed(
    dataset: xr.Dataset, path: Path, convention: str, kind: str, version: int, axes: tuple[str, ...]
) -> None:
    """Raise FileFormatError unless this is a file of that convention and version, unchanged since it was written."""
    if dataset.attrs.get("convention") != convention:
        raise FileFormatError(f"{path} must be {kind} of neurocircuit, got another netCDF file")
    file_version = dataset.attrs.get("schema_version")
    if file_version != version:
        raise FileFormatError(f"{path} has schema version {file_version}; this program reads version {version}")
    for axis in axes:
        if axis not in dataset.coords:
            raise FileFormatError(f"{path} lacks the axis {axis}")
    if content_sha256(dataset) != dataset.attrs.get("content_sha256"):
        raise FileFormatError(f"{path} was changed after it was written: its content does not match its hash")


def content_sha256(dataset: xr.Dataset) -> str:
    """Hash over names, axes, values and attributes (but the hash itself), independent of the file layout."""
    digest = hashlib.sha256()
    _add(digest, _plain({key: value for key, value in dataset.attrs.items() if key != "content_sha256"}))
    for name in sorted(map(str, dataset.variables)):
        variable = dataset.variables[name]
        _add(digest, [name, list(map(str, variable.dims)), list(variable.shape), _plain(variable.attrs)])
        text = variable.dtype.kind not in "fiu"
        _add(digest, list(map(str, variable.values.ravel()))) if text else digest.update(
            np.ascontiguousarray(variable.values, dtype="<f8").tobytes()
        )
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    digest.update(json.dumps(value, sort_keys=True).encode())


def _plain(attributes: dict[Any, Any]) -> dict[str, Any]:
    """Return the attributes as JSON takes them; numpy scalars come back from a file."""
    return {str(key): value.item() if isinstance(value, np.generic) else value for key, value in attributes.items()}
