//! One file per format, each a pure function of a `Record`. One place writes them.
