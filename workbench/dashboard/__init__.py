"""The dashboard: pages of one application, shown in a browser by Voilà or in a notebook cell."""

from workbench.dashboard.app import Dashboard, dashboard
from workbench.dashboard.state import Place, State

__all__ = ["Dashboard", "Place", "State", "dashboard"]
