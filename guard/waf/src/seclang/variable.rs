//! The variables a rule can look at.

macro_rules! variables {
    ($($variant:ident = $name:literal,)*) => {
        /// A variable (or collection) by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub(crate) enum Variable { $($variant,)* }

        impl Variable {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name as rules write it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

variables! {
    Args = "ARGS", ArgsNames = "ARGS_NAMES", ArgsGet = "ARGS_GET", ArgsGetNames = "ARGS_GET_NAMES",
    ArgsPost = "ARGS_POST", ArgsPostNames = "ARGS_POST_NAMES", ArgsCombinedSize = "ARGS_COMBINED_SIZE",
    AuthType = "AUTH_TYPE", Duration = "DURATION", Env = "ENV", Files = "FILES",
    FilesCombinedSize = "FILES_COMBINED_SIZE", FilesNames = "FILES_NAMES", FilesSizes = "FILES_SIZES",
    FullRequest = "FULL_REQUEST", FullRequestLength = "FULL_REQUEST_LENGTH", Geo = "GEO",
    Global = "GLOBAL", HighestSeverity = "HIGHEST_SEVERITY", InboundDataError = "INBOUND_DATA_ERROR",
    Ip = "IP", MatchedVar = "MATCHED_VAR", MatchedVars = "MATCHED_VARS",
    MatchedVarName = "MATCHED_VAR_NAME", MatchedVarsNames = "MATCHED_VARS_NAMES",
    MultipartFilename = "MULTIPART_FILENAME", MultipartName = "MULTIPART_NAME",
    MultipartPartHeaders = "MULTIPART_PART_HEADERS", MultipartStrictError = "MULTIPART_STRICT_ERROR",
    MultipartUnmatchedBoundary = "MULTIPART_UNMATCHED_BOUNDARY",
    OutboundDataError = "OUTBOUND_DATA_ERROR", PathInfo = "PATH_INFO", QueryString = "QUERY_STRING",
    RemoteAddr = "REMOTE_ADDR", RemoteHost = "REMOTE_HOST", RemotePort = "REMOTE_PORT",
    RemoteUser = "REMOTE_USER", ReqbodyError = "REQBODY_ERROR", ReqbodyErrorMsg = "REQBODY_ERROR_MSG",
    ReqbodyProcessor = "REQBODY_PROCESSOR", RequestBasename = "REQUEST_BASENAME",
    RequestBody = "REQUEST_BODY", RequestBodyLength = "REQUEST_BODY_LENGTH",
    RequestCookies = "REQUEST_COOKIES", RequestCookiesNames = "REQUEST_COOKIES_NAMES",
    RequestFilename = "REQUEST_FILENAME", RequestHeaders = "REQUEST_HEADERS",
    RequestHeadersNames = "REQUEST_HEADERS_NAMES", RequestLine = "REQUEST_LINE",
    RequestMethod = "REQUEST_METHOD", RequestProtocol = "REQUEST_PROTOCOL", RequestUri = "REQUEST_URI",
    RequestUriRaw = "REQUEST_URI_RAW", Resource = "RESOURCE", ResponseBody = "RESPONSE_BODY",
    ResponseContentLength = "RESPONSE_CONTENT_LENGTH", ResponseContentType = "RESPONSE_CONTENT_TYPE",
    ResponseHeaders = "RESPONSE_HEADERS", ResponseHeadersNames = "RESPONSE_HEADERS_NAMES",
    ResponseProtocol = "RESPONSE_PROTOCOL", ResponseStatus = "RESPONSE_STATUS", Rule = "RULE",
    ServerAddr = "SERVER_ADDR", ServerName = "SERVER_NAME", ServerPort = "SERVER_PORT",
    Session = "SESSION", SessionId = "SESSIONID", StatusLine = "STATUS_LINE", TimeEpoch = "TIME_EPOCH",
    Tx = "TX", UniqueId = "UNIQUE_ID", UrlencodedError = "URLENCODED_ERROR", User = "USER",
    UserId = "USERID", Xml = "XML", XmlAttributes = "XML_ATTRIBUTES",
}

impl Variable {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The variable of a name in any case.
    pub fn find(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        let mut all = Self::ALL.iter().copied();
        all.find(|variable| variable.name() == name)
            .or_else(|| Self::meant(&name))
    }

    /// Other names of the same thing. What makes a multipart body ambiguous is one thing here, so
    /// a rule about a part of it holds for all of it.
    fn meant(name: &str) -> Option<Self> {
        Some(match name {
            "REQBODY_PROCESSOR_ERROR" => Self::ReqbodyError,
            "REQBODY_PROCESSOR_ERROR_MSG" => Self::ReqbodyErrorMsg,
            "USERAGENT_IP" => Self::RemoteAddr,
            "MULTIPART_BOUNDARY_QUOTED"
            | "MULTIPART_BOUNDARY_WHITESPACE"
            | "MULTIPART_DATA_BEFORE"
            | "MULTIPART_DATA_AFTER"
            | "MULTIPART_HEADER_FOLDING"
            | "MULTIPART_LF_LINE"
            | "MULTIPART_CRLF_LF_LINES"
            | "MULTIPART_MISSING_SEMICOLON"
            | "MULTIPART_SEMICOLON_MISSING"
            | "MULTIPART_INVALID_QUOTING"
            | "MULTIPART_INVALID_PART"
            | "MULTIPART_INVALID_HEADER_FOLDING"
            | "MULTIPART_FILE_LIMIT_EXCEEDED" => Self::MultipartStrictError,
            _ => return None,
        })
    }

    /// Whether the value comes from the engine's own state and not from the request.
    pub fn is_state(self) -> bool {
        matches!(
            self,
            Self::Tx
                | Self::Ip
                | Self::Global
                | Self::Session
                | Self::User
                | Self::Resource
                | Self::MatchedVar
                | Self::MatchedVars
                | Self::MatchedVarName
                | Self::MatchedVarsNames
                | Self::Rule
                | Self::HighestSeverity
                | Self::Duration
        )
    }

    /// Whether rules fill it.
    pub fn is_stored(self) -> bool {
        matches!(
            self,
            Self::Tx | Self::Ip | Self::Global | Self::Session | Self::User | Self::Resource
        )
    }

    /// Where the values of a collection made of others really are.
    pub fn parts(self) -> &'static [Self] {
        match self {
            Self::Args => &[Self::ArgsGet, Self::ArgsPost],
            Self::ArgsNames => &[Self::ArgsGetNames, Self::ArgsPostNames],
            Self::MultipartFilename => &[Self::Files],
            Self::MultipartName => &[Self::FilesNames],
            _ => &[],
        }
    }
}
