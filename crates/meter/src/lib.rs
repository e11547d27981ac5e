//! One meter: gate, event log, boot, version change; owns no thread, socket or timer.
