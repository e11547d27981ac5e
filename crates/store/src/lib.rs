//! The only room that touches a meter's files: database, packages, keys.
