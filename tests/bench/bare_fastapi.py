"""The least that FastAPI can answer a slate with: one route, as many bytes, nothing asked. Takes port and bytes."""

import sys

import uvicorn
from fastapi import FastAPI, Response

app = FastAPI()


@app.get("/v1/users/{user_id}/slate")
async def slate(user_id: str) -> Response:
    """The same bytes for everybody."""
    return Response(app.state.body, media_type="application/json")


if __name__ == "__main__":
    app.state.body = b'{"slate":"%s"}' % (b"x" * max(0, int(sys.argv[2]) - 12))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
