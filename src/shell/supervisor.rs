//! Container side of the session: runs each command in a bash of its own process group and carries state over.
