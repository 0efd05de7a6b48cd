//! Where the text of rules comes from.

/// A rule file: its name as messages show it, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name that faults and explanations show.
    pub name: String,
    /// The text in `SecLang`.
    pub text: String,
}

impl Source {
    /// Name a text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// How the parser reads what a rule file refers to.
///
/// `from` is the name of the referring file, `path` the words in it.
pub trait Files {
    /// The bytes of a data file (`@pmFromFile`), or nothing.
    fn data(&self, from: &str, path: &str) -> Option<Vec<u8>>;

    /// The sources an `Include` means, in order; nothing when there are none.
    fn include(&self, from: &str, path: &str) -> Option<Vec<Source>>;
}

/// Refers to nothing: for rules that stand alone.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn data(&self, _from: &str, _path: &str) -> Option<Vec<u8>> {
        None
    }

    fn include(&self, _from: &str, _path: &str) -> Option<Vec<Source>> {
        None
    }
}
