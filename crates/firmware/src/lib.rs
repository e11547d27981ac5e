//! Releases, packages, hash lists, settings and the one pure function: migrate.
