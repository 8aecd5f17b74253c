//! The figures of one query: megabytes, rounds, seconds and accuracy, published or computed here.

use serde::Serialize;

/// The figures of one query; `None` if not published or not applicable. Megabytes are 10^6 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Megabytes sent once for a model.
    pub setup_mb: Option<f64>,
    /// Megabytes sent ahead of the query.
    pub offline_mb: Option<f64>,
    /// Megabytes sent from the query on.
    pub online_mb: Option<f64>,
    /// Megabytes sent ahead of the query and from the query on.
    pub total_mb: Option<f64>,
    /// Rounds from the query on.
    pub rounds: Option<u64>,
    /// Seconds ahead of the query.
    pub offline_seconds: Option<f64>,
    /// Seconds from the query on.
    pub online_seconds: Option<f64>,
    /// Seconds ahead of the query and from the query on.
    pub total_seconds: Option<f64>,
    /// The percentage of images that are classified correctly.
    pub accuracy: Option<f64>,
}

/// No figures.
pub(super) const NONE: Figures = Figures {
    setup_mb: None,
    offline_mb: None,
    online_mb: None,
    total_mb: None,
    rounds: None,
    offline_seconds: None,
    online_seconds: None,
    total_seconds: None,
    accuracy: None,
};

/// Published megabytes and seconds, offline and online.
pub(super) const fn stages(offline_mb: f64, online_mb: f64, offline: f64, online: f64) -> Figures {
    Figures {
        offline_mb: Some(offline_mb),
        online_mb: Some(online_mb),
        offline_seconds: Some(offline),
        online_seconds: Some(online),
        ..NONE
    }
}
