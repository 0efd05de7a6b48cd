//! Request bodies taken apart.

pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod multipart;
pub(crate) mod xml;

/// What a body consists of.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// Arguments by name.
    pub arguments: Vec<(Vec<u8>, Vec<u8>)>,
    /// Files: field name, file name, size.
    pub files: Vec<(Vec<u8>, Vec<u8>, usize)>,
    /// Header lines of parts, by field name.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Texts and attribute values of XML.
    pub texts: Vec<Vec<u8>>,
    pub attributes: Vec<Vec<u8>>,
    /// What is wrong with the body.
    pub fault: Option<String>,
    /// Whether strict readers and lenient ones would differ over it.
    pub lax: bool,
}
