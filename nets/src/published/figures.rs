//! Figures of one query, as published or as computed here, in megabytes, rounds and seconds.

use serde::Serialize;

/// The figures of a row, of one query. Megabytes are 10^6 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// What is sent once for a model.
    pub setup_mb: Option<f64>,
    /// What is sent ahead of the query.
    pub offline_mb: Option<f64>,
    /// What is sent from the query on.
    pub online_mb: Option<f64>,
    /// Both together.
    pub total_mb: Option<f64>,
    /// Phases from the query on.
    pub rounds: Option<u64>,
    /// Seconds ahead of the query.
    pub offline_seconds: Option<f64>,
    /// Seconds from the query on.
    pub online_seconds: Option<f64>,
    /// Both together.
    pub total_seconds: Option<f64>,
    /// Per cent of the images that are classified right.
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
