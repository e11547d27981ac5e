//! Releases as people compare them: the table in the manual, and a release that exists only as data.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod page;
mod table;
mod third;
