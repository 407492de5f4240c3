"""site.yaml: read, checked in one pass, and turned into the types of the domain."""

from loadmgr.config.configuration import Configuration, ConnectorBlock, load
from loadmgr.config.consequences import Consequences, consequences, render_consequences
from loadmgr.config.errors import ConfigurationError, Place, Problem, Severity, render
from loadmgr.config.schema import json_schema

__all__ = [
    "Configuration",
    "ConfigurationError",
    "ConnectorBlock",
    "Consequences",
    "Place",
    "Problem",
    "Severity",
    "consequences",
    "json_schema",
    "load",
    "render",
    "render_consequences",
]
