//! The fates of a request.

use contact_courier::platform::verdict::Reply;

use super::case::{Case, Flaw};
use super::platform::{error, http};

/// The fate of a request. All but the first are faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The request arrives, and so does its answer.
    Answered,
    /// The request arrives; the answer is lost.
    AnswerLost,
    /// The request arrives; the platform fails after the import.
    FailsBehind,
    /// The request arrives; the answer is garbled.
    Garbled,
    /// The courier stops waiting for the request; it arrives later, at any time.
    Late,
    /// The platform fails before it looks at the request.
    FailsBefore,
    /// No connection.
    Unreachable,
    /// 429.
    RateLimited,
    /// The task is running.
    TaskRunning,
    /// The platform refuses the request for a passing reason, in words that mean nothing to the
    /// courier.
    AccountRefused,
    /// The platform says that the number is bad, whatever it said before.
    Fickle,
}

impl Fate {
    /// Returns all faults of a request.
    pub(crate) fn faults(case: &Case) -> impl Iterator<Item = Self> {
        let account = case.is(Flaw::AccountRefused);
        let fickle = case.is(Flaw::FicklePlatform);
        [
            Self::AnswerLost,
            Self::FailsBehind,
            Self::Garbled,
            Self::Late,
            Self::FailsBefore,
            Self::Unreachable,
            Self::RateLimited,
            Self::TaskRunning,
        ]
        .into_iter()
        .chain(account.then_some(Self::AccountRefused))
        .chain(fickle.then_some(Self::Fickle))
    }

    /// Whether the platform carries the request out before the courier hears of it.
    pub(crate) fn arrives(self) -> bool {
        matches!(
            self,
            Self::Answered | Self::AnswerLost | Self::FailsBehind | Self::Garbled
        )
    }

    /// Returns what the courier hears; `None`: the platform's answer.
    pub(crate) fn reply(self) -> Option<Reply> {
        match self {
            Self::Answered => None,
            Self::AnswerLost | Self::Late => Some(Reply::Lost("timed out".into())),
            Self::FailsBehind | Self::FailsBefore => Some(http(502, "<html>")),
            Self::Garbled => Some(http(200, r#"{"code":200,"#)),
            Self::Unreachable => Some(Reply::NotSent("connection refused".into())),
            Self::RateLimited => Some(http(429, "")),
            Self::TaskRunning => Some(error(6007, "2.0任务启动中,请先停止任务")),
            Self::AccountRefused => Some(error(7001, "余额不足")),
            Self::Fickle => Some(error(422, "格式不正确。")),
        }
    }
}
