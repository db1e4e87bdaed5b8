"""What joins repositories and widgets: rows of a repository as a grid and a form want them."""

from workbench.editing.columns import columns_of
from workbench.editing.source import RepositorySource, editor

__all__ = ["RepositorySource", "columns_of", "editor"]
