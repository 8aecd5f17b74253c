//! Activation plans in files: which activations and pools of a network are exchanged
//! ([`nets::plans`]), in TOML or JSON.

use std::{fs, path::Path};

use nets::ActivationPlan;

use crate::error::{Error, Result};

/// Whether a plan's name is that of a file.
pub(crate) fn is_plan_file(name: &str) -> bool {
    name.ends_with(TOML) || name.ends_with(JSON)
}

/// Reads a plan.
///
/// # Errors
/// [`Error::File`] if it cannot be read or is no plan.
pub(super) fn read_plan_file(path: &Path) -> Result<ActivationPlan> {
    let text = fs::read_to_string(path).map_err(|error| Error::unreadable(path, error))?;
    let plan = if path.to_string_lossy().ends_with(JSON) {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        toml::from_str(&text).map_err(|error| error.message().to_owned())
    };
    plan.map_err(|error| Error::file(path, format!("is no plan: {error}")))
}

const TOML: &str = ".toml";
const JSON: &str = ".json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_json_say_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            read_plan_file(&path)
        };
        let toml = "[activations]\nrelu1 = 'square'\nrelu2 = { polynomial-2 = '0-3', none = '5' }\n\
                    [pools]\npool1 = 'avg'\n";
        let json = r#"{"activations": {"relu1": "square",
                                       "relu2": {"none": "5", "polynomial-2": "0-3"}},
                       "pools": {"pool1": "avg"}}"#;
        assert_eq!(file("a.toml", toml).unwrap(), file("a.json", json).unwrap());
        for (name, text) in [
            ("b.toml", "[activation]"),
            ("b.toml", "[activations]\nrelu = 'gelu'"),
            ("b.json", r#"{"activations": {"relu": {"none": "5-1"}}}"#),
            ("b.json", "{"),
        ] {
            let error = file(name, text).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("is no plan: "), "{error}");
        }
        let error = read_plan_file(&directory.path().join("c.toml")).unwrap_err().to_string();
        assert!(error.contains("c.toml: cannot be read: "), "{error}");
    }
}
