use proptest::prelude::*;

use super::Transform;

fn run(name: &str, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Transform::find(name).expect("known").apply(input, &mut out);
    out
}

#[test]
fn known_answers() {
    let cases: &[(&str, &[u8], &[u8])] = &[
        ("urlDecodeUni", b"a%2fb+%u0041%zz%", b"a/b A%zz%"),
        ("urlDecodeWide", b"%c0%ae%c0%af%u2216%e0%80%af", b"./\\/"),
        ("jsDecode", b"\\x3cscript\\u003e\\74\\n\\q", b"<script><\nq"),
        ("cssDecode", b"\\3c\\73 cript\\", b"<script"),
        (
            "htmlEntityDecode",
            b"&lt;&#x3c;&#60&amp;&foo;",
            b"<<<&&foo;",
        ),
        ("base64Decode", b"PHNjcmlwdD4=", b"<script>"),
        ("base64Encode", b"<script>", b"PHNjcmlwdD4="),
        ("cmdLine", b"C^md,  /c \"DIR\"", b"cmd/c dir"),
        ("normalizePath", b"/a/./b//../../etc/", b"/etc/"),
        ("normalizePathWin", b"a\\..\\..\\b", b"../b"),
        ("replaceComments", b"un/**/ion/*", b"un ion "),
        ("removeCommentsChar", b"a/*b*/c--", b"abc"),
        ("utf8toUnicode", "aé".as_bytes(), b"a%u00e9"),
        ("escapeSeqDecode", b"\\x41\\101\\n\\z", b"AA\n\\z"),
        ("length", b"four", b"4"),
        ("sqlHexDecode", b"x0x4142z", b"xABz"),
        ("compressWhitespace", b"a \t\n b", b"a b"),
        ("hexEncode", b"\x01\xff", b"01ff"),
    ];
    for (name, input, expected) in cases {
        assert_eq!(
            run(name, input),
            *expected,
            "{name} {:?}",
            String::from_utf8_lossy(input)
        );
    }
}

proptest! {
    /// A value without a byte that a step touches is its own result.
    #[test]
    fn untouched_values_stay(input in proptest::collection::vec(any::<u8>(), 0..64)) {
        for transform in Transform::all() {
            let touched = input.iter().any(|byte| transform.touches().has(*byte));
            if !touched && !input.is_empty() {
                let mut out = Vec::new();
                transform.apply(&input, &mut out);
                prop_assert_eq!(&out, &input, "{:?}", transform);
            }
        }
    }

    /// No step panics, and none but encoders grows a value more than sixfold.
    #[test]
    fn steps_are_bounded(input in "[%u0-9a-f\\\\&#x;/*.<>!+= \\-]{0,80}") {
        for transform in Transform::all() {
            let mut out = Vec::new();
            transform.apply(input.as_bytes(), &mut out);
            prop_assert!(out.len() <= 6 * input.len() + 64, "{:?}", transform);
        }
    }
}
