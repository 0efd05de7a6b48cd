//! Why a token is none, in the words of the log.

/// Why a token is none. The code goes into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Longer than [`crate::LONGEST_TOKEN`].
    TooLong,
    /// Not three parts of base64url with a JSON object in two of them.
    Malformed,
    /// A key stands twice: of two readers each could believe another one.
    DuplicateKey,
    /// A token within the token, or JSON deeper than we ever write.
    Nested,
    /// Any algorithm but ES256.
    Algorithm,
    /// Another `typ`: a token for something else.
    Type,
    /// It brings its own key, or says where one is.
    EmbeddedKey,
    /// It wants extensions to be understood.
    Critical,
    /// A header that we do not write.
    Header,
    /// No key of ours has this `kid`.
    UnknownKey,
    /// The signature is not that key's.
    Signature,
    /// Another issuer.
    Issuer,
    /// For somebody else.
    Audience,
    /// A claim that names somebody is no text.
    Claim,
    /// No `exp`, or times that are no numbers.
    Times,
    /// Over.
    Expired,
    /// Not yet valid.
    Early,
    /// Valid for longer than we ever sign, or than its issuer may.
    Lifetime,
    /// Encrypted or compressed.
    Encrypted,
    /// It does not say which key signed it.
    NoKeyId,
    /// An ID token: it tells a client who signed in, and opens nothing.
    IdToken,
    /// A security event or a logout token.
    Event,
    /// Bound to a key that this request does not prove.
    Bound,
    /// `Authorization` in a form that the route does not accept.
    Scheme,
    /// Not written as our API keys are.
    KeyMalformed,
    /// No API key that exists.
    KeyUnknown,
    /// Two credentials of one kind in one request.
    Several,
}

impl Reason {
    /// The code of the log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "token-too-long",
            Self::Malformed => "token-malformed",
            Self::DuplicateKey => "token-duplicate-key",
            Self::Nested => "token-nested",
            Self::Algorithm => "token-algorithm",
            Self::Type => "token-type",
            Self::EmbeddedKey => "token-embedded-key",
            Self::Critical => "token-critical",
            Self::Header => "token-header",
            Self::UnknownKey => "token-unknown-key",
            Self::Signature => "token-signature",
            Self::Issuer => "token-issuer",
            Self::Audience => "token-audience",
            Self::Claim => "token-claim",
            Self::Times => "token-times",
            Self::Expired => "token-expired",
            Self::Early => "token-early",
            Self::Lifetime => "token-lifetime",
            Self::Encrypted => "token-encrypted",
            Self::NoKeyId => "token-no-key-id",
            Self::IdToken => "token-is-id-token",
            Self::Event => "token-is-event",
            Self::Bound => "token-bound",
            Self::Scheme => "credential-scheme",
            Self::KeyMalformed => "key-malformed",
            Self::KeyUnknown => "key-unknown",
            Self::Several => "credential-twice",
        }
    }
}
