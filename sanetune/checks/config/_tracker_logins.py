"""Whether a tracker can start without asking for a login: found in environment and files, never by the network.

No key is returned or kept, only where it was found.
"""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

MAX_BYTES = 100_000
"""Files of logins are a few lines; larger ones are not read."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where one tracker's program looks, in its documentation's words.

    ``modes``: variable -> values that need no login; ``keys``: variables that hold one; ``files``: below the home
    folder, each with a word that it must contain ("" = none); ``hosts``: machines in netrc files, and ``address``
    the variable that names another.
    """

    modes: Mapping[str, frozenset[str]]
    keys: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    address: str = ""
    netrc_files: tuple[str, ...] = (".netrc", "_netrc")


_TRUE = frozenset({"true", "1", "yes", "on"})

LOGINS = {
    "wandb": Login(
        {"WANDB_MODE": frozenset({"offline", "disabled", "dryrun"}), "WANDB_DISABLED": _TRUE},
        ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"),
        ((".config/wandb/settings", "api_key"), (".config/wandb/settings", "mode = offline")),
        ("api.wandb.ai",),
        "WANDB_BASE_URL",
    ),
    "comet_ml": Login(
        {
            "COMET_MODE": frozenset({"offline", "disabled"}),
            "COMET_START_ONLINE": frozenset({"0", "false", "no"}),
            "COMET_OFFLINE": _TRUE,
        },
        ("COMET_API_KEY",),
        ((".comet.config", "api_key"),),
    ),
    "neptune": Login(
        {"NEPTUNE_MODE": frozenset({"offline", "debug", "read-only"})},
        ("NEPTUNE_API_TOKEN",),
    ),
    "swanlab": Login(
        {"SWANLAB_MODE": frozenset({"local", "offline", "disabled"})},
        ("SWANLAB_API_KEY",),
        ((".swanlab/.netrc", ""),),
    ),
    "clearml": Login(
        {"CLEARML_OFFLINE_MODE": _TRUE},
        ("CLEARML_API_ACCESS_KEY", "CLEARML_CONFIG_FILE"),
        (("clearml.conf", ""),),
    ),
    "dagshub": Login({}, ("DAGSHUB_USER_TOKEN",), ((".cache/dagshub/tokens", ""),)),
}
"""Trackers that want a login, unless a mode says otherwise. Sources: wandb 0.31 (wbauth), and each program's manual."""


def readiness(tracker: str, env: Mapping[str, str] | None = None, home: Path | None = None) -> str:
    """What makes ``tracker`` ready ("WANDB_API_KEY is set"), or "" where it would ask for a login."""
    env = os.environ if env is None else env
    home = _home(env) if home is None else home
    if tracker == "mlflow":
        return _mlflow(env, home)
    if tracker == "trackio":
        return _trackio(env, home)
    login = LOGINS.get(tracker)
    if login is None:
        return "needs no login"
    for variable, values in login.modes.items():
        if env.get(variable, "").strip().lower() in values:
            return f"{variable} is {env[variable].strip()}"
    for variable in login.keys:
        if env.get(variable, "").strip():
            return f"{variable} is set"
    for name, word in login.files:
        if word in _text(home / name) if word else (home / name).is_file():
            return f"a login in ~/{name}"
    return _netrc(login, env, home)


def _mlflow(env: Mapping[str, str], home: Path) -> str:
    """mlflow writes into a folder unless it is told where its server is; Databricks wants a login."""
    address = env.get("MLFLOW_TRACKING_URI", "").strip()
    if not address:
        return "writes into a folder"
    if not address.startswith("databricks"):
        return f"MLFLOW_TRACKING_URI is {urlsplit(address).scheme or 'a path'}; its server was not tried"
    if env.get("DATABRICKS_TOKEN") or env.get("DATABRICKS_CLIENT_SECRET"):
        return "DATABRICKS_TOKEN is set"
    return "a login in ~/.databrickscfg" if (home / ".databrickscfg").is_file() else ""


def _trackio(env: Mapping[str, str], home: Path) -> str:
    """trackio writes into a folder unless it is to show a Space on the Hub."""
    if not (env.get("TRACKIO_SPACE_ID") or env.get("TRACKIO_SERVER_URL")):
        return "writes into a folder"
    if env.get("HF_TOKEN"):
        return "HF_TOKEN is set"
    file = Path(env.get("HF_TOKEN_PATH") or Path(env.get("HF_HOME") or home / ".cache/huggingface") / "token")
    return "a login to the Hub" if file.is_file() else ""


def _netrc(login: Login, env: Mapping[str, str], home: Path) -> str:
    """A login for one of the hosts in the netrc file (NETRC names another one)."""
    if not login.hosts:
        return ""
    own = urlsplit(env.get(login.address, "")).netloc
    hosts = (own,) if own else login.hosts
    named = env.get("NETRC")
    for file in [Path(named).expanduser()] if named else [home / name for name in login.netrc_files]:
        try:
            if file.stat().st_size > MAX_BYTES:
                continue
            entries = netrc.netrc(file)
        except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
            continue
        for host in hosts:
            entry = entries.authenticators(host)
            if entry and entry[2]:
                return f"a login for {host} in {file.name}"
    return ""


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _home(env: Mapping[str, str]) -> Path:
    return Path(env.get("HOME") or Path.home())
