//! Which instructions the kernels use, decided once for a process.
//!
//! The best level that the processor has is taken, unless the environment variable `TERCET_SIMD`
//! says `portable`, `avx2` or `avx512`: then nothing above that level is used, so that one machine
//! can measure what another would do. A level that the processor lacks falls back to the next lower
//! one, and any other text is as if the variable were not set. The variable is read once. All
//! levels give identical results.

use std::fmt;
use std::sync::OnceLock;

/// Sets of instructions, each including those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Plain Rust, compiled for the target's baseline.
    Portable,
    /// AVX2.
    Avx2,
    /// AVX-512 F, DQ, BW and VL (from Skylake-SP on): matrix products.
    Avx512,
    /// Also IFMA, VBMI, VBMI2, GFNI and BMI2 (Ice Lake, Zen 4 and later): digits modulo 67, packing
    /// and bit planes as well.
    Avx512Vbmi,
}

/// The level that every kernel of this process uses.
#[must_use]
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| detected().min(ceiling(std::env::var("TERCET_SIMD").ok().as_deref())))
}

/// The best level of this processor, whatever the environment says.
#[cfg(target_arch = "x86_64")]
#[must_use]
pub fn detected() -> Level {
    let avx2 = is_x86_feature_detected!("avx2");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    let vbmi = avx512
        && is_x86_feature_detected!("avx512ifma")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("gfni")
        && is_x86_feature_detected!("bmi2");
    match (avx2, avx512, vbmi) {
        (_, _, true) => Level::Avx512Vbmi,
        (_, true, _) => Level::Avx512,
        (true, _, _) => Level::Avx2,
        _ => Level::Portable,
    }
}

/// The best level of this processor, whatever the environment says.
#[cfg(not(target_arch = "x86_64"))]
#[must_use]
pub fn detected() -> Level {
    Level::Portable
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Avx512Vbmi => "avx512+vbmi",
        })
    }
}

fn ceiling(requested: Option<&str>) -> Level {
    match requested {
        Some("portable") => Level::Portable,
        Some("avx2") => Level::Avx2,
        _ => Level::Avx512Vbmi,
    }
}

/// Calls a kernel of the module for this level: `portable`, `avx2` or `avx512`, the last one for
/// VBMI.
macro_rules! at_level {
    ($level:expr, $kernel:ident $(::<$parameter:ident>)? ($($argument:expr),*)) => {
        match $level {
            // SAFETY: a level is chosen only where `detected` found it, and that looks for all
            // features of its kernels.
            #[cfg(target_arch = "x86_64")]
            crate::dispatch::Level::Avx512Vbmi => unsafe {
                avx512::$kernel$(::<$parameter>)?($($argument),*)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            crate::dispatch::Level::Avx2 | crate::dispatch::Level::Avx512 => unsafe {
                avx2::$kernel$(::<$parameter>)?($($argument),*)
            },
            crate::dispatch::Level::Portable => portable::$kernel$(::<$parameter>)?($($argument),*),
            #[cfg(not(target_arch = "x86_64"))]
            _ => portable::$kernel$(::<$parameter>)?($($argument),*),
        }
    };
}
pub(crate) use at_level;

/// Every level this processor can run, for tests that compare them.
#[cfg(test)]
pub(crate) fn available() -> impl Iterator<Item = Level> {
    [Level::Portable, Level::Avx2, Level::Avx512, Level::Avx512Vbmi]
        .into_iter()
        .filter(|&level| level <= detected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_caps_the_level() {
        assert_eq!(ceiling(Some("portable")), Level::Portable);
        assert_eq!(ceiling(Some("avx2")), Level::Avx2);
        assert_eq!(ceiling(Some("avx512")), Level::Avx512Vbmi);
        assert_eq!(ceiling(Some("sse9")), Level::Avx512Vbmi);
        assert_eq!(ceiling(None), Level::Avx512Vbmi);
    }

    #[test]
    fn the_level_in_use_is_available() {
        assert!(available().any(|other| other == level()));
    }
}
