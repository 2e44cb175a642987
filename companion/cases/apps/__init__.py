"""The cases as one small page on this machine: upload or type, see the answer with its uncertainty."""

from companion.cases.apps.answers import APPS, App, AppAnswer
from companion.cases.apps.server import AppServer

__all__ = ["APPS", "App", "AppAnswer", "AppServer"]
