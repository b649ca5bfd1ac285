# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API."""

from __future__ import annotations

import logging
import time
import uuid
from typing import Annotated, Any

import jwt
import psycopg.errors
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from pydantic import BaseModel, Field

from app import auth, worker
from app.behaviour import Behaviour, Metrics
from app.settings import load_release, load_settings
from app.stores import Stores, now

log = logging.getLogger("snippetly")
release, settings = load_release(), load_settings()
stores = Stores(settings)
Gauge("snippetly_release_info", "Which release this is.", ["release"]).labels(release.release).set(1)

app = FastAPI(title=release.title, version=release.release, docs_url=None, redoc_url=None, openapi_url=None)
app.add_middleware(Behaviour, release=release)
app.add_middleware(Metrics)


class Credentials(BaseModel):
    """Who somebody is."""

    email: str = Field(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
    password: str = Field(min_length=1, max_length=256)


class NewCredentials(Credentials):
    """Who somebody wants to be."""

    password: str = Field(min_length=8, max_length=256)


class Email(BaseModel):
    """Whose password is lost."""

    email: str = Field(min_length=3, max_length=254)


class NewSnippet(BaseModel):
    """What somebody wants to keep."""

    title: str = Field(min_length=1, max_length=200)
    language: str = Field(default="text", max_length=40)
    code: str = Field(min_length=1, max_length=100_000)


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def session(credentials: Bearer) -> dict[str, Any]:
    """Return the claims of a good token whose user still exists; 401 otherwise."""
    try:
        claims = auth.read(settings.jwt_secret, credentials.credentials if credentials else "")
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "log in first", {"WWW-Authenticate": "Bearer"}) from error
    with stores.postgres.connection() as connection:
        known = connection.execute("SELECT 1 FROM users WHERE id = %s", (claims["sub"],)).fetchone()
    if not known or stores.session_ended(claims["jti"]):
        raise HTTPException(401, "log in first", {"WWW-Authenticate": "Bearer"})
    return claims


Session = Annotated[dict[str, Any], Depends(session)]


@app.get("/api/health")
def health(response: Response) -> dict[str, Any]:
    """Whether this process can serve: 200, or 503 naming what is down."""
    databases = stores.health()
    problems = [f"{name} is down ({answer})" for name, answer in databases.items() if answer != "ok"]
    if not release.healthy:
        problems.append(f"release {release.release} is unhealthy by design")
    if problems:
        log.error("health: 503: %s", "; ".join(problems))
        response.status_code = 503
    status = "unavailable" if problems else "ok"
    return {"status": status, "release": release.release, "databases": databases, "problems": problems}


@app.get("/api/metrics")
def metrics() -> Response:
    """What Prometheus reads."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.get("/api/version")
def version() -> dict[str, str]:
    """Which release this is."""
    return {"release": release.release, "title": release.title}


@app.post("/api/v1/auth/register", status_code=201)
def register(new: NewCredentials) -> dict[str, str]:
    """Create an account."""
    try:
        with stores.postgres.connection() as connection:
            row = connection.execute(
                "INSERT INTO users (email, password_hash) VALUES (%s, %s) RETURNING id",
                (new.email.lower(), auth.hash_password(new.password)),
            ).fetchone()
    except psycopg.errors.UniqueViolation as error:
        raise HTTPException(409, "there is an account with this address") from error
    return {"id": str(row["id"]), "email": new.email.lower()}


@app.post("/api/v1/auth/login")
def login(given: Credentials) -> dict[str, str]:
    """Begin a session: its token goes into the header ``Authorization: Bearer …``."""
    with stores.postgres.connection() as connection:
        row = connection.execute(
            "SELECT id, password_hash FROM users WHERE email = %s", (given.email.lower(),)
        ).fetchone()
        if not auth.password_is(given.password, row["password_hash"] if row else None):
            raise HTTPException(401, "wrong address or password")
        if release.last_login:
            connection.execute("UPDATE users SET last_login = now() WHERE id = %s", (row["id"],))
    return {"access_token": auth.issue(settings.jwt_secret, str(row["id"])), "token_type": "bearer"}


@app.post("/api/v1/auth/logout", status_code=204)
def logout(current: Session) -> None:
    """End the session."""
    stores.end_session(current["jti"], current["exp"] - int(time.time()))


@app.post("/api/v1/auth/password-reset", status_code=202)
def password_reset(whose: Email) -> dict[str, str]:
    """Ask for a new password; the answer does not tell whether there is such an account."""
    worker.password_reset.delay(whose.email.lower())
    return {"status": "if there is such an account, a message is on its way"}


@app.post("/api/v1/snippets", status_code=201)
def create(new: NewSnippet, current: Session) -> dict[str, Any]:
    """Keep a snippet; the worker will put a summary on it."""
    own = {"id": uuid.uuid4().hex, "user_id": current["sub"], "created_at": now(), "summary": None}
    snippet = own | new.model_dump()
    stores.snippets.add(snippet)
    stores.forget_list(current["sub"])
    worker.summarise.delay(snippet["id"])
    return snippet


@app.get("/api/v1/snippets")
def listing(current: Session) -> list[dict[str, Any]]:
    """Return one's own snippets, newest first."""
    cached = stores.cached_list(current["sub"])
    if cached is not None:
        return cached
    found = stores.snippets.newest(current["sub"])
    stores.cache_list(current["sub"], found)
    return found


@app.get("/api/v1/snippets/{snippet_id}")
def read(snippet_id: str, current: Session) -> dict[str, Any]:
    """Return one snippet of one's own."""
    snippet = stores.snippets.get(snippet_id)
    if snippet is None or snippet["user_id"] != current["sub"]:
        raise HTTPException(404, "there is no such snippet")
    return snippet


@app.get("/api/v1/stats")
def stats() -> dict[str, str]:
    """Return what the scheduler had counted last."""
    return dict(stores.redis.hgetall("stats"))
