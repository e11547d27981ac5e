//! What Setup and a meter say to each other: wire types, nothing else.
