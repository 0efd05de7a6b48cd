//! How a refusal and an end sound in each protocol. A refused call must never read as a success.

use std::sync::Arc;

use ostiary_credentials::Reason;
use ostiary_verdicts::{Effect, Kind, Standing};
use ring::rand::{SecureRandom, SystemRandom};

use crate::abi::{Http, Network};
use crate::frames::close_frame;
use crate::live::speaks_grpc;
use crate::waf::Stop;

/// The metadata namespace in which the log, the local replies and the rules find the verdict.
const NAMESPACE: &str = "ostiary.trust";
/// The flag of every request that a verdict refused or ended.
const FLAG: &str = "OTV";
/// The effect of a refusal that no verdict spoke: the log counts it among the refusals by it.
const REFUSE: &str = "refuse";
const POLICY: u16 = 1008;
const TRY_AGAIN: u16 = 1013;

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// A verdict says so.
    Verdict(Arc<Standing>),
    /// The rate of a verdict is used up; seconds until it is not.
    Limited(Arc<Standing>, u64),
    /// The control plane was not heard for longer than this route bears.
    Stale,
    /// Verdicts did not fit into the table.
    Full,
    /// Two cookies of ours of one name.
    Twice,
    /// A credential that counts for nothing here.
    Credential(Reason),
    /// None was shown, and the rules ask for one.
    NoCredential,
    /// The firewall stops it.
    Firewall(Stop),
    /// A fault of the guard itself.
    Failed,
}

impl Refusal {
    /// Status, gRPC status, reason for the listener's local replies.
    fn codes(&self) -> (u32, &'static str, &'static str) {
        match self {
            Self::Verdict(one) if one.effect == Effect::StepUp => {
                (401, "16", "ostiary.trust_step_up")
            }
            Self::Verdict(one) if is_of_a_sign_in(one.kind) => (401, "16", "ostiary.session_ended"),
            Self::Verdict(_) => (403, "7", "ostiary.trust_denied"),
            Self::Limited(..) => (429, "8", "ostiary.trust_limited"),
            Self::Stale => (503, "14", "ostiary.trust_stale"),
            Self::Full => (503, "14", "ostiary.trust_full"),
            Self::Twice => (400, "3", "ostiary.cookies_twice"),
            Self::Credential(Reason::Several) => (400, "3", "ostiary.credential_twice"),
            Self::Credential(_) => (401, "16", "ostiary.credential_invalid"),
            Self::NoCredential => (401, "16", "ostiary.credential_missing"),
            Self::Firewall(stop) => stop.codes(),
            Self::Failed => (500, "13", "ostiary.guard_failed"),
        }
    }

    /// What the log calls a refusal that no verdict spoke.
    fn word(&self) -> Option<&'static str> {
        match self {
            Self::Verdict(_) | Self::Limited(..) => None,
            Self::Stale => Some("trust-stale"),
            Self::Full => Some("trust-full"),
            Self::Twice => Some("cookies-twice"),
            Self::Credential(reason) => Some(reason.code()),
            Self::NoCredential => Some("credential-missing"),
            Self::Firewall(stop) => Some(stop.word()),
            Self::Failed => Some("guard-failed"),
        }
    }

    /// The log, the local reply and the rules see why, also where the status says nothing.
    pub(crate) fn note(&self, http: &Http<'_>) {
        let mut made = Struct::default();
        if let Self::Verdict(standing) | Self::Limited(standing, _) = self {
            made.text("verdict", &uuid(&standing.verdict));
            made.text("effect", standing.effect.word());
            made.text("reason", &standing.reason);
            made.text("since", &rfc3339(standing.since_ms));
            made.number("risk", f64::from(standing.risk));
            http.flag(FLAG);
        } else {
            made.text("effect", REFUSE);
            made.text("reason", self.word().unwrap_or_default());
        }
        http.set_metadata(NAMESPACE, &made.bytes);
    }

    /// The last event of a stream of server-sent events.
    pub(crate) fn last_event(&self) -> String {
        let Self::Verdict(standing) = self else {
            let reason = self.word().unwrap_or_default();
            return format!("event: suspended\ndata: {{\"reason\":\"{reason}\"}}\n\n");
        };
        format!(
            "event: revoked\ndata: {{\"effect\":\"{}\",\"reason\":\"{}\",\"since\":\"{}\",\
             \"verdict\":\"{}\"}}\n\n",
            standing.effect.word(),
            standing.reason,
            rfc3339(standing.since_ms),
            uuid(&standing.verdict)
        )
    }

    /// The last frame of a WebSocket: 1008 where trust was withdrawn, 1013 where it is worth trying
    /// again (RFC 6455, section 7.4.1, and its registry at IANA).
    pub(crate) fn close_frame(&self) -> Vec<u8> {
        match self {
            Self::Verdict(standing) => close_frame(POLICY, &standing.reason),
            _ => close_frame(TRY_AGAIN, self.word().unwrap_or_default()),
        }
    }
}

/// Another sign-in or another credential would help.
fn is_of_a_sign_in(kind: Kind) -> bool {
    matches!(kind, Kind::Session | Kind::Token | Kind::ApiKey)
}

/// Answers in place of the resource.
pub(crate) fn refuse(http: &Http<'_>, grpc: bool, refusal: &Refusal) {
    refusal.note(http);
    let (status, grpc_status, details) = refusal.codes();
    if grpc {
        // A local reply would say "OK" to a gRPC client: the ABI passes no gRPC status.
        let headers: [(&str, &[u8]); 4] = [
            (":status", b"200"),
            ("content-type", b"application/grpc"),
            ("grpc-status", grpc_status.as_bytes()),
            ("grpc-message", details.as_bytes()),
        ];
        return http.send_headers(&headers, true);
    }
    match refusal {
        Refusal::Credential(reason) => {
            let asks = format!(
                "Bearer error=\"invalid_token\", error_description=\"{}\"",
                reason.code()
            );
            http.reply(
                status,
                &[("www-authenticate", asks.as_bytes())],
                b"",
                details,
            );
        }
        Refusal::NoCredential => {
            http.reply(status, &[("www-authenticate", b"Bearer")], b"", details);
        }
        Refusal::Limited(_, seconds) => {
            let seconds = seconds.to_string();
            http.reply(status, &[("retry-after", seconds.as_bytes())], b"", details);
        }
        Refusal::Stale | Refusal::Full | Refusal::Firewall(Stop::Busy) => {
            http.reply(status, &[("retry-after", b"5")], b"", details);
        }
        _ => http.reply(status, &[], b"", details),
    }
}

/// Ends an answer under way, or stands in its place, after a fault of ours. A gRPC client reads the
/// header: without it a local reply of a module says that all went well.
pub(crate) fn break_off(http: &Http<'_>) {
    let (status, grpc_status, details) = Refusal::Failed.codes();
    Refusal::Failed.note(http);
    let headers: [(&str, &[u8]); 1] = [("grpc-status", grpc_status.as_bytes())];
    let grpc = speaks_grpc(http);
    http.reply(status, if grpc { &headers } else { &[] }, b"", details);
}

/// The log of connections sees what the verdict is, under an id of its own: there is no request.
pub(crate) fn note_connection(network: &Network<'_>, standing: &Standing) {
    network.set_text(NAMESPACE, "connection", &uuid(&random_id()));
    network.set_text(NAMESPACE, "verdict", &uuid(&standing.verdict));
    network.set_text(NAMESPACE, "effect", standing.effect.word());
    network.set_text(NAMESPACE, "reason", &standing.reason);
    network.set_text(NAMESPACE, "since", &rfc3339(standing.since_ms));
}

/// The rules see the score.
pub(crate) fn score(http: &Http<'_>, risk: u8) {
    let mut made = Struct::default();
    made.number("risk", f64::from(risk));
    http.set_metadata(NAMESPACE, &made.bytes);
}

/// Ends a gRPC call that is under way.
pub(crate) fn end_grpc(http: &Http<'_>, why: &Refusal) {
    let (_, status, details) = why.codes();
    http.send_trailers(&[
        ("grpc-status", status.as_bytes()),
        ("grpc-message", details.as_bytes()),
    ]);
}

/// Ends a body that has no way to say so: the client sees that it was cut off.
pub(crate) fn cut_off(http: &Http<'_>, why: &Refusal) {
    let (status, _, details) = why.codes();
    http.reply(status, &[], b"", details);
}

/// A flat `google.protobuf.Struct` on the wire.
#[derive(Default)]
pub(crate) struct Struct {
    bytes: Vec<u8>,
}

impl Struct {
    fn text(&mut self, key: &str, value: &str) {
        let mut inner = vec![0x1a];
        length(&mut inner, value.len());
        inner.extend_from_slice(value.as_bytes());
        self.field(key, &inner);
    }

    fn number(&mut self, key: &str, value: f64) {
        let mut inner = vec![0x11];
        inner.extend_from_slice(&value.to_le_bytes());
        self.field(key, &inner);
    }

    fn field(&mut self, key: &str, value: &[u8]) {
        let mut entry = vec![0x0a];
        length(&mut entry, key.len());
        entry.extend_from_slice(key.as_bytes());
        entry.push(0x12);
        length(&mut entry, value.len());
        entry.extend_from_slice(value);
        self.bytes.push(0x0a);
        length(&mut self.bytes, entry.len());
        self.bytes.extend_from_slice(&entry);
    }
}

fn length(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or(0));
}

/// A UUID of random bits (RFC 9562, version 4).
fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    // Without randomness the entry is found by its verdict alone.
    let _ = SystemRandom::new().fill(&mut id);
    id[6] = (id[6] & 0x0f) | 0x40;
    id[8] = (id[8] & 0x3f) | 0x80;
    id
}

pub(crate) fn uuid(id: &[u8; 16]) -> String {
    let mut made = String::with_capacity(36);
    for (index, byte) in id.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            made.push('-');
        }
        for half in [byte >> 4, byte & 0xf] {
            made.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    made
}

/// `2026-11-25T10:00:00Z` (RFC 3339), from Unix milliseconds.
pub(crate) fn rfc3339(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date of the Gregorian calendar, counted in years that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_208_000_999), "2024-02-29T12:00:00Z");
        assert_eq!(rfc3339(1_795_600_800_000), "2026-11-25T10:00:00Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn an_id_is_written_as_a_uuid() {
        let id = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(uuid(&id), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
