//! The ways to load the same data. Each is one file, and each returns the same contributors.

mod background;
mod blocking;
mod callbacks;
mod channels;
mod concurrent;
mod not_cancellable;
mod progress;
mod suspending;

use std::sync::Arc;

use crate::client::GitHub;
use crate::model::Contributor;
use crate::progress::Progress;

/// A way to load the contributors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Blocking,
    Background,
    Callbacks,
    Suspending,
    Concurrent,
    NotCancellable,
    Progress,
    Channels,
}

impl Variant {
    /// All of them, in the order in which they run.
    pub(crate) const ALL: [Self; 8] = [
        Self::Blocking,
        Self::Background,
        Self::Callbacks,
        Self::Suspending,
        Self::Concurrent,
        Self::NotCancellable,
        Self::Progress,
        Self::Channels,
    ];

    /// The name in the table and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Background => "background",
            Self::Callbacks => "callbacks",
            Self::Suspending => "suspending",
            Self::Concurrent => "concurrent",
            Self::NotCancellable => "not_cancellable",
            Self::Progress => "progress",
            Self::Channels => "channels",
        }
    }

    /// Loads the contributors of all repositories and adds them up.
    pub(crate) async fn load(
        self,
        github: &GitHub,
        progress: &Arc<Progress>,
    ) -> corox::Result<Vec<Contributor>> {
        match self {
            Self::Blocking => blocking::load(github, progress).await,
            Self::Background => background::load(github, progress).await,
            Self::Callbacks => callbacks::load(github, progress).await,
            Self::Suspending => suspending::load(github, progress).await,
            Self::Concurrent => concurrent::load(github, progress).await,
            Self::NotCancellable => not_cancellable::load(github, progress).await,
            Self::Progress => progress::load(github, progress).await,
            Self::Channels => channels::load(github, progress).await,
        }
    }
}
