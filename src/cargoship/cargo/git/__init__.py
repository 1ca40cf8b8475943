"""What git knows of the project, asked so that nothing of a repository is run.

A repository's configuration may be a stranger's even where its folder is one's own: from an archive, or as a copy.
"""

from cargoship.cargo.git.facts import GitFacts, read_checkout, read_git_facts
from cargoship.cargo.git.names import web_address
from cargoship.cargo.git.since import Since, read_since

__all__ = ["GitFacts", "Since", "read_checkout", "read_git_facts", "read_since", "web_address"]
