"""What is answered instead of a result: a status, a sentence, and the setting that is to blame."""

from __future__ import annotations

from typing import Any

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    421: "invalid_request_error",
    422: "invalid_request_error",
    500: "server_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class ResponseError(Exception):
    """`setting` is the name of the field that is wrong, where there is one. The message holds no path of the server."""

    def __init__(self, status: int, message: str, setting: str | None = None) -> None:
        self.status, self.message, self.setting = status, message, setting
        super().__init__(message)

    def to_json(self) -> dict[str, Any]:
        """In the form that OpenAI's clients read."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.setting, "code": self.status}}
