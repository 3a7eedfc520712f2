"""Find out which kind of server answers at an address, and which model it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanetune.serving.http import Endpoint, EndpointError, NotJsonError, RefusedRequestError
from sanetune.serving.llama_server import LlamaServer
from sanetune.serving.ollama import OllamaServer
from sanetune.serving.openai import OpenAIServer
from sanetune.serving.server import Server
from sanetune.serving.vllm import VllmServer
from sanetune.text import did_you_mean

TOKENIZING = ("vllm", "sglang")
"""Who owns the models of servers with vLLM's ``/tokenize``, as ``/v1/models`` writes it."""


def detect(endpoint: Endpoint, model: str = "") -> Server:
    """Return the server at ``endpoint``.

    Args:
        endpoint: Its address.
        model: Which of its models; "": the only one.

    Raises:
        EndpointError: There is none of a known kind, or the model is not there, or there are several.
    """
    listed = _listed(endpoint)
    name = _chosen([one["id"] for one in listed], model)
    owner = next((str(one.get("owned_by", "")) for one in listed if one["id"] == name), "")
    if owner == "llamacpp":
        properties = _quietly(endpoint, "/props")
        return LlamaServer.of(endpoint, name, properties if isinstance(properties, Mapping) else {})
    if owner in TOKENIZING:
        return VllmServer(endpoint, name, kind="SGLang" if owner == "sglang" else "vLLM")
    version = _quietly(endpoint, "/api/version")
    if isinstance(version, Mapping) and "version" in version:
        return OllamaServer.of(endpoint, name)
    return OpenAIServer(endpoint, name)


def _listed(endpoint: Endpoint) -> list[dict[str, Any]]:
    found = endpoint.get("/v1/models")
    data = found.get("data")
    listed = data if isinstance(data, list) else []
    models = [one for one in listed if isinstance(one, dict) and isinstance(one.get("id"), str)]
    if not models:
        raise EndpointError(
            f"The server at {endpoint.url} lists no model.",
            "There is nothing to ask.",
            "Start it with the model, or check the address.",
        )
    return models


def _chosen(names: list[str], model: str) -> str:
    if model in names:
        return model
    listed = ", ".join(names[:8])
    if model:
        hint = did_you_mean(model, names, most=1, cutoff=0.5)
        raise EndpointError(f"The server has no model {model!r}.", "", f"{hint}It has: {listed}.")
    if len(names) > 1:
        raise EndpointError(
            f"The server has {len(names)} models: {listed}.",
            "Only one of them is the trained one.",
            "Name it with --model NAME.",
        )
    return names[0]


def _quietly(endpoint: Endpoint, path: str) -> object:
    """What ``path`` answers; None where the server does not have it."""
    try:
        return endpoint.get(path)
    except RefusedRequestError as error:
        if error.status in (401, 403):
            raise
        return None
    except NotJsonError:  # a proxy that answers every address with its page
        return None
