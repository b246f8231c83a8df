//! The reason for a wait, and what follows from it.

/// Why a batch waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitReason {
    /// No connection: surely not delivered.
    Unreachable,
    /// The request was sent, and no whole answer came.
    AnswerLost,
    /// 5xx.
    ServerError,
    /// An answer that is not the documented JSON.
    Unreadable,
    /// A redirect; none is followed.
    Redirected,
    /// 429.
    RateLimited,
    /// 401: the token is not accepted.
    Unauthorized,
    /// 403: not allowed for this user.
    Forbidden,
    /// 403 without the documented JSON: somebody in front of the platform turned the request away.
    Blocked,
    /// 404: no such user or task.
    NotFound,
    /// The task is running and must be paused by its owner.
    TaskRunning,
    /// Every row of a batch was refused with the same words.
    AllRefused,
}

/// Who waits with the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Its lane.
    Lane,
    /// All lanes of its user.
    User,
    /// Everybody.
    Platform,
}

impl WaitReason {
    /// The reasons for which a batch is sent again. [`Self::AllRefused`] is about a whole lane
    /// instead.
    pub const OF_BATCHES: [Self; 11] = [
        Self::Unreachable,
        Self::AnswerLost,
        Self::ServerError,
        Self::Unreadable,
        Self::Redirected,
        Self::RateLimited,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Blocked,
        Self::NotFound,
        Self::TaskRunning,
    ];

    /// Returns the reason as one word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::AnswerLost => "answer_lost",
            Self::ServerError => "server_error",
            Self::Unreadable => "unreadable",
            Self::Redirected => "redirected",
            Self::RateLimited => "rate_limited",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Blocked => "blocked",
            Self::NotFound => "not_found",
            Self::TaskRunning => "task_running",
            Self::AllRefused => "all_refused",
        }
    }

    /// Returns what a person can do about it, to append to the platform's words.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Unauthorized => "; check platform.token or platform.token_file",
            Self::Forbidden => "; the token may not act for this user_id",
            Self::Blocked => {
                "; a firewall or proxy before the platform turned the request away: it may not know \
                 this machine's address, or forbid what a contact holds"
            }
            Self::NotFound => "; check user_id, task_id and platform.base_url",
            Self::TaskRunning => "; pause the task on the platform, sending then goes on by itself",
            Self::AllRefused => {
                "; every row of a batch was refused with these words, so something may be wrong \
                 with all of them, the task or the account; sending goes on slowly by itself"
            }
            Self::Redirected => "; redirects are not followed, correct platform.base_url",
            _ => "",
        }
    }

    /// Returns who waits with the batch.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Unauthorized | Self::RateLimited => Scope::Platform,
            Self::Forbidden => Scope::User,
            _ => Scope::Lane,
        }
    }

    /// Whether the request counts as an attempt: after a 429 the platform never looked at it.
    pub const fn counts_as_attempt(self) -> bool {
        !matches!(self, Self::RateLimited)
    }

    /// Returns the reason with this [`as_str`](Self::as_str).
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::OF_BATCHES.into_iter().chain([Self::AllRefused]);
        all.find(|reason| reason.as_str() == name)
    }

    /// Whether the wait ends only when a person has done something, on the platform or in the
    /// settings.
    pub const fn waits_for_a_person(self) -> bool {
        matches!(
            self,
            Self::Unauthorized
                | Self::Forbidden
                | Self::Blocked
                | Self::NotFound
                | Self::TaskRunning
                | Self::AllRefused
        )
    }

    /// Whether somebody before the platform answered.
    pub const fn is_before_the_platform(self) -> bool {
        matches!(self, Self::Redirected | Self::Blocked)
    }

    /// Whether the request was turned away, perhaps because of what a single row holds: a firewall forbids it, or
    /// the platform does not find or allow something else than the task and the user that a row names.
    pub const fn may_be_about_a_row(self) -> bool {
        self.is_before_the_platform() || matches!(self, Self::NotFound | Self::Forbidden)
    }

    /// Whether the answer asks for a later request, whatever the request holds. A platform may also say so to whoever
    /// sends a certain number.
    pub const fn puts_off(self) -> bool {
        matches!(
            self,
            Self::RateLimited | Self::Unauthorized | Self::TaskRunning
        )
    }

    /// Whether the time until `retry.give_up_after` runs. It stands still while a person has to
    /// act.
    pub const fn runs_out(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::AnswerLost
                | Self::ServerError
                | Self::Unreadable
                | Self::Redirected
        )
    }
}
