//! What the engine is told about a request and its answer.

/// The head of a request, as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The request target before any normalisation.
    pub uri: &'a [u8],
    /// The protocol, `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// All header fields in their order, duplicates kept.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The client's address.
    pub remote: &'a str,
    /// The request's id.
    pub id: &'a str,
}

/// The head of a response.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: u16,
    /// The protocol.
    pub protocol: &'a [u8],
    /// All header fields.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}
