//! The faults of a request; it meets at most one.

/// A fault of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// HTTP 500 (or another of `error_statuses`), nothing imported.
    ErrorBefore,
    /// HTTP 500 (or another of `error_statuses`), but the import is done.
    ErrorAfter,
    /// The connection is reset without a byte of an answer, nothing imported.
    ResetBefore,
    /// The connection is reset without a byte of an answer, but the import is done.
    ResetAfter,
    /// No answer ever comes and the connection stays open, nothing imported.
    SilenceBefore,
    /// No answer ever comes and the connection stays open, but the import is done.
    SilenceAfter,
    /// HTTP 429, with or without `Retry-After`, nothing imported.
    TooManyRequests,
    /// The task is running (code 6007, or 422 in other words), nothing imported. With
    /// `task_running_for` it goes on running, and all of its requests are answered so.
    TaskRunning,
    /// HTTP 200 with half of the JSON, as if that were all; the import is done.
    Garbled,
    /// HTTP 200, and the connection is reset in the middle of the JSON; the import is done.
    CutOff,
    /// HTTP 200 with the HTML page of a proxy in place of the JSON; the import is done.
    NotJson,
    /// HTTP 200 with JSON of two mebibytes, most of it blanks; the import is done.
    Oversized,
    /// HTTP 200 and code 200 beside the status "error"; the import is done.
    Contradictory,
    /// HTTP 302 to another place, nothing imported.
    Redirected,
}
