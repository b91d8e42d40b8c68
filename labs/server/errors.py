"""What the server answers when it cannot: OpenAI's error bodies and their codes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from evaluators.errors import BadInput, LabError, UnknownName
from reasoning.core import BadPrompt
from reasoning.models.endpoint.retry import ServerFault

LOG = logging.getLogger("reasonlab.serve")


class ApiError(LabError):
    """An answer that is an error: HTTP status, OpenAI's type and code, the field at fault."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.kind = status, code, param, kind
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The error as OpenAI writes it."""
        error = {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}


def bad(message: str, param: str | None = None) -> ApiError:
    """A request that cannot be served as it is: 400."""
    return ApiError(400, message, "invalid_request_error", param=param)


def too_long(message: str) -> ApiError:
    """A prompt that the model cannot read: 400."""
    return ApiError(400, message, "context_length_exceeded", param="prompt")


def busy(limit: int, seconds: int) -> ApiError:
    """Past the queue: 429, with the seconds after which to try again."""
    return ApiError(
        429,
        f"the server works on {limit} requests and takes no more; try again in {seconds} s",
        "rate_limit_exceeded",
        kind="rate_limit_error",
        headers={"Retry-After": str(seconds)},
    )


def stopping() -> ApiError:
    """Cut because the server ends: 503."""
    return ApiError(
        503, "the server is stopping; ask again when it is back", "server_stopping",
        kind="server_error",
    )  # fmt: skip


def read(error: Exception) -> ApiError:
    """Any exception as an answer. What was not foreseen is logged and answered without details."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, BadPrompt):  # any other fault of a prompt is found before it is sent
        return too_long(str(error))
    if isinstance(error, BadInput | UnknownName):
        return bad(str(error))
    if isinstance(error, LabError | ServerFault):  # a model behind this one failed, for example
        return ApiError(502, str(error), "model_failed", kind="server_error")
    LOG.error("a request failed", exc_info=error)
    return ApiError(
        500, "the server failed on this request; its log says why", "internal", kind="server_error"
    )
