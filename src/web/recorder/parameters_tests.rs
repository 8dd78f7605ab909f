use super::*;

#[test]
fn a_name_has_the_form_of_a_recording() {
    for name in [
        "20261128T083000.123Z",
        "20261128T083000.123Z-1",
        "99999999T999999.999Z-4294967295",
        "20261128T083000.123Z~next",
        "20261128T083000.123Z-1~next",
    ] {
        assert!(is_name(name), "{name}");
    }
    for name in [
        "",
        "20261128T083000.123",
        "20261128T083000.123Z-",
        "20261128T083000.123Z--1",
        "20261128T083000.123Z-1-1",
        "20261128T083000.123Z-12345678901",
        "20261128T083000.123Z/",
        "20261128T083000.12\u{663}Z",
        "/20261128T083000.123Z",
        "~next",
        "20261128T083000.123Z~",
        "20261128T083000.123Z~other",
        "20261128T083000.123Z~next~next",
        "20261128T083000.123Z~next-1",
    ] {
        assert!(!is_name(name), "{name}");
    }
}

#[test]
fn a_value_is_repeated_within_bounds_and_without_control_characters() {
    assert_eq!(shown("a\0b\n\u{202e}"), "a\\0b\\n\\u{202e}");
    assert_eq!(shown(&"é".repeat(60)), "é".repeat(60));
    assert_eq!(shown(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
}

#[test]
fn a_token_is_left_to_the_guard() {
    let given = Parameters::new(Some("token=a&token=b&source=3"), &["source"]);
    assert_eq!(given.and_then(|given| given.source()), Ok(SourceId(3)));
    let given = Parameters::new(None, &["source"]);
    assert_eq!(given.and_then(|given| given.any_source()), Ok(None));
}

#[test]
fn a_window_may_be_as_long_as_its_limit() {
    let window = |to: u64, limit_s| {
        let query = format!("from=1000&to={to}");
        Parameters::new(Some(&query), &["from", "to"])?.window(limit_s)
    };
    let of = |to_ms| Window {
        from_ms: 1000,
        to_ms,
    };
    assert_eq!(window(121_000, Some(120)), Ok(of(121_000)));
    let error = ParameterError::TooLong {
        window: of(121_001),
        limit_s: 120,
    };
    assert_eq!(window(121_001, Some(120)), Err(error));
    assert_eq!(window(LATEST_MS, None), Ok(of(LATEST_MS)));
}
