"""The page, the API and the metrics of one site, made from snapshots alone."""

from loadmgr.web.app import create_app
from loadmgr.web.server import serve

__all__ = ["create_app", "serve"]
