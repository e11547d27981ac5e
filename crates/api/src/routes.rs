//! The paths of Setup's protocol. All answers are JSON; an error is [`crate::Error`] with a status.

/// The one protocol that is spoken inside TLS (RFC 7301's name for HTTP/1.1).
pub const ALPN: &[u8] = b"http/1.1";
/// The content type of a template file.
pub const TEMPLATE_TYPE: &str = "application/toml; charset=utf-8";
/// The content type of a backup: lines of JSON.
pub const BACKUP_TYPE: &str = "application/jsonl";
/// The content type of a package.
pub const PACKAGE_TYPE: &str = "application/octet-stream";

/// GET: [`crate::Info`].
pub const INFO: &str = "/v1/info";
/// POST with a login header: [`crate::Opened`], and the token in a header. DELETE ends the session.
pub const SESSION: &str = "/v1/session";
/// GET: output and set-up registers, all that the caller may read; `?register=` picks, repeatable:
/// [`crate::Readings`].
pub const REGISTERS: &str = "/v1/registers";
/// POST [`crate::SetRequest`]: [`crate::SetAnswer`].
pub const SET: &str = "/v1/set";
/// GET: the users that are in use; POST [`crate::UserRequest`] (a new password in its own header): [`crate::SetAnswer`].
pub const USERS: &str = "/v1/users";
/// GET: [`crate::Security`]; POST [`crate::SetRequest`] for mode and switches.
pub const SECURITY: &str = "/v1/security";
/// GET: security setup as `.scf` text; POST `.scf` text (new passwords in their own headers) to see what it would
/// change, `?accept=` with the digest of that to have it done, `?force=true`: [`crate::SecurityPlan`].
pub const SECURITY_FILE: &str = "/v1/security/file";
/// POST with a new password in its own header and [`crate::PasswordRequest`]: [`crate::SetAnswer`].
pub const PASSWORD: &str = "/v1/password";
/// GET: [`crate::Keys`], `?account=` (`8650`, `USER1`) for one's; POST [`crate::KeyRequest`]; DELETE `?account=` and
/// `?key=`, a fingerprint. Each answers the account's keys.
pub const KEYS: &str = "/v1/keys";
/// GET: [`crate::Events`], `?from=` and `?limit=`; without a beginning, the newest.
pub const EVENTS: &str = "/v1/events";
/// GET: [`crate::LogVerified`], after looking through the whole event log.
pub const EVENTS_VERIFY: &str = "/v1/events/verify";
/// GET: [`crate::Recorders`].
pub const RECORDERS: &str = "/v1/recorders";
/// GET: [`crate::Records`] of `?recorder=`, its open epoch unless `&epoch=` says another: the newest `&last=`, or those
/// `&from=` a number on, at most `&limit=`; `&since=` and `&until=` leave out what doesn't end between the two, UTC in
/// milliseconds since 1970, both included.
pub const RECORDS: &str = "/v1/records";
/// GET: [`crate::Connections`].
pub const CONNECTIONS: &str = "/v1/connections";
/// DELETE `?number=` ends a session and its connections: [`crate::Ended`].
pub const SESSIONS: &str = "/v1/sessions";
/// DELETE `?login=` lifts the lock-outs of a login, `&source=` those from one source: [`crate::Lifted`].
pub const LOCKOUTS: &str = "/v1/lockouts";
/// GET: the template as `.dcf` text, `?security=true` for the security section; POST `.dcf` text,
/// `?dry=true` to see what it would change, `?force=true` as in [`crate::SetRequest`]: [`crate::SetAnswer`].
pub const TEMPLATE: &str = "/v1/template";
/// GET the bytes of a `.wkb`, `?sealed=true` with the passphrase in its header; POST such bytes to see what restoring
/// them would change (with the passphrase of a sealed one, new passwords in their own headers), `?accept=` with the
/// digest of that to have it done, `?force=true`: `firmware::backup::RestorePlan`.
pub const BACKUP: &str = "/v1/backup";
/// GET: [`crate::Packages`]; POST [`crate::Announcement`]: [`crate::Announced`]; DELETE `?package=`, a name or a digest's
/// beginning: [`crate::Dropped`].
pub const PACKAGES: &str = "/v1/packages";
/// POST bytes of an announced package, `?upload=` its number and `?offset=` where they belong: [`crate::Received`].
pub const PACKAGE_BYTES: &str = "/v1/packages/bytes";
/// POST, when all bytes are there, `?upload=`: [`crate::Staged`].
pub const PACKAGE_FINISH: &str = "/v1/packages/finish";
/// POST [`crate::PlanRequest`]: `firmware::Plan`.
pub const PLAN: &str = "/v1/plan";
/// POST [`crate::ChangeRequest`]: [`crate::Changed`], when the change is confirmed or taken back. GET:
/// [`crate::Progress`] of the change that the session of the given token has begun, after it has ended too.
pub const CHANGE: &str = "/v1/change";
/// GET: [`crate::Floor`]; POST [`crate::FloorRequest`] raises it and answers the same.
pub const FLOOR: &str = "/v1/floor";
/// GET: [`crate::Reports`].
pub const REPORTS: &str = "/v1/reports";
/// GET: [`crate::Scheduled`]; POST [`crate::ScheduleRequest`]; DELETE drops it. Each answers how it stands then.
pub const SCHEDULE: &str = "/v1/schedule";
/// GET: [`crate::Trusted`]; POST one line of a public key; DELETE `?key=` revokes. Both answer the list.
pub const TRUST: &str = "/v1/trust";
