//! What makers want in their addresses, and what of it is shown.

use proptest::prelude::*;

use super::*;

/// `admin:hunter2`
const BASIC: &str = "YWRtaW46aHVudGVyMg==";

#[test]
fn of_a_query_only_what_is_harmless_is_shown() {
    for (query, shown) in [
        ("channel=1&subtype=0", "channel=1&subtype=0"),
        (
            "channel=1&subtype=0&unicast=true&proto=Onvif",
            "channel=1&subtype=0&unicast=true&proto=Onvif",
        ),
        (
            "videocodec=h264&resolution=1280x720&fps=15",
            "videocodec=h264&resolution=1280x720&fps=15",
        ),
        ("real_stream", "real_stream"),
        (
            "channel=1&authbasic=YWRtaW46aHVudGVyMg==",
            "channel=1&authbasic=***",
        ),
        (
            "loginuse=admin&loginpas=hunter2",
            "loginuse=***&loginpas=***",
        ),
        ("u=admin&p=hunter2", "u=***&p=***"),
        ("userpwd=admin:hunter2", "userpwd=***"),
        ("psw=hunter2", "psw=***"),
        ("login=admin&pw=hunter2", "login=***&pw=***"),
        ("secret=hunter2", "secret=***"),
        ("passphrase=hunter2", "passphrase=***"),
        ("access_token=hunter2", "access_token=***"),
        ("apikey=hunter2", "apikey=***"),
        ("key=hunter2", "key=***"),
        ("password%3Dhunter2", "password=***"),
        ("password%253Dhunter2", "password=***"),
        ("p%61ssword=hunter2", "password=***"),
        ("channel=1%26password%3Dhunter2", "channel=1&password=***"),
        ("channel=hunter2", "channel=***"),
        ("channel=%68unter2", "channel=***"),
        ("hunter2", "***"),
        ("admin:hunter2&", "***&"),
        ("channel=1&YWRtaW46aHVudGVyMg==", "channel=1&***"),
        (
            "password=hun&hunter2&channel=1",
            "password=***&***&channel=1",
        ),
        ("made-up=hunter2", "made-up=***"),
        ("hunter2=1", "***=***"),
        ("hunter22hunter22=1", "***=***"),
        ("user=admin;pwd=hunter2", "user=***;pwd=***"),
        ("channel=1|hunter2", "channel=1|***"),
    ] {
        let address = format!("rtsp://10.0.0.9/cam/realmonitor?{query}");
        assert_eq!(
            shown_address(&address),
            format!("rtsp://10.0.0.9/cam/realmonitor?{shown}")
        );
    }
}

#[test]
fn a_path_is_shown_without_the_login_in_it() {
    for (path, shown) in [
        ("Streaming/Channels/101", "Streaming/Channels/101"),
        ("h264Preview_01_main", "h264Preview_01_main"),
        ("live0.stream", "live0.stream"),
        ("a%20b/%23c", "a%20b/%23c"),
        ("trackID=1/video", "trackID=1/video"),
        ("mode=real&idc=1&ids=2", "mode=real&idc=1&ids=2"),
        (
            "user=admin&password=hunter2&channel=1&stream=0.sdp",
            "user=***&password=***&channel=1&stream=0.sdp",
        ),
        (
            "user=admin_password=hunter2_channel=1_stream=0.sdp?real_stream",
            "user=***_password=***_channel=1_stream=0.sdp?real_stream",
        ),
        (
            "user=admin_password=hun_hunter2_channel=1",
            "user=***_password=***_channel=1",
        ),
        (
            "user%3Dadmin%26password%3Dhunter2%26channel%3D1",
            "user=***&password=***&channel=1",
        ),
        (
            "password=hun/hunter2/x&channel=1",
            "password=***/***/***&channel=1",
        ),
        (
            "password=hun?hunter2&channel=1",
            "password=***?***&channel=1",
        ),
        ("0/admin:hunter2/main", "0/***/main"),
        ("live/YWRtaW46aHVudGVyMg==/1", "live/***/1"),
        ("live/YWRtaW46aHVudGVyMg/1", "live/***/1"),
        ("user/admin/password/hunter2/main", "user/***/***/***/main"),
        ("live/pwd-hunter2/ch1", "live/***/ch1"),
        ("ch1~user~admin~pwd~hunter2", "***"),
        ("live/tokenizer.main", "live/tokenizer.main"),
        ("a/admin%2525253Ahunter2/b", "a/***/b"),
        ("7a9Xq2LmB4tR8sKd", "***"),
        ("x?a=1#hunter2", "x?a=***#***"),
        ("x#hunter2", "x#***"),
    ] {
        let address = format!("rtsp://10.0.0.9:554/{path}");
        assert_eq!(
            shown_address(&address),
            format!("rtsp://10.0.0.9:554/{shown}")
        );
    }
}

#[test]
fn a_login_before_the_host_is_left_out_however_it_is_written() {
    for (address, shown) in [
        ("rtsp://a:hunter2@host/x", "rtsp://host/x"),
        ("rtsp://a:b@hunter2@host/x", "rtsp://host/x"),
        ("rtsp://a:hun/hunter2@host/x", "rtsp://host/x"),
        ("rtsp://a:hun#hunter2@host/x", "rtsp://host/x"),
        ("rtsp://a:hunter2%40host/x", "rtsp://host/x"),
        ("rtsp://a:hunter2", "rtsp://a:***"),
        ("a:hunter2@host", "host"),
        ("rtsp://host/x?mail=a@b&password=hunter2", "rtsp://***"),
        ("rtsp://[fe80::1]:8554/x", "rtsp://[fe80::1]:8554/x"),
        ("fe80::abcd", "fe80::abcd"),
        ("3=rtsp://a:hunter2@host/x", "3=rtsp://host/x"),
        ("host:1883", "host:1883"),
        (
            "/srv/date=2024-01-31/a b.mp4",
            "/srv/date=2024-01-31/a b.mp4",
        ),
        (
            "file:///srv/password=hunter2/a.mp4",
            "file:///srv/password=***/a.mp4",
        ),
        (
            "test-pattern:?width=640&height=360&fps=12.5&objects=0",
            "test-pattern:?width=640&height=360&fps=12.5&objects=0",
        ),
    ] {
        assert_eq!(shown_address(address), shown, "{address}");
    }
}

#[test]
fn addresses_in_a_text_are_masked_and_the_rest_is_as_it_was() {
    for text in [
        "is empty; give rtsp://…, v4l2:///dev/video0, csi:0, a file or test-pattern:",
        "must be a host name, an address or mqtt[s]://host:port",
        "session ended code=\"unreachable\" attempt=3 wait_ms=1200",
        "write rtsp://host:554/path; in a login percent-encode @ as %40",
        "models_dir=/usr/share/nvr/models x=1",
        "test-pattern:?width=640&height=360&fps=12.5&objects=2",
        "from test-pattern://?fps=25, and then v4l2:/dev/video0?width=640",
        "100 % of 3 cameras (rtsp://10.0.0.9/1).",
    ] {
        assert_eq!(without_secrets(text), text);
    }
    for (text, shown) in [
        (
            "could not open \"rtsp://a:hunter2@h/x\": no",
            "could not open \"rtsp://***@h/x\": no",
        ),
        (
            "location=rtsp://h/x?authbasic=YWRtaW46aHVudGVyMg==, failed",
            "location=rtsp://h/x?authbasic=***, failed",
        ),
        (
            "no stream /user=admin&password=hunter2&channel=1 (404)",
            "no stream /user=***&password=***&channel=1 (404)",
        ),
        ("file:/x.mp4?password=hunter2", "file:/x.mp4?password=***"),
        ("path=/cam?token=hunter2 seen", "path=/cam?token=*** seen"),
        ("user=admin&password=hunter2", "user=***&password=***"),
        ("MQTT_PASSWORD=hunter2 nvr", "MQTT_PASSWORD=*** nvr"),
    ] {
        assert_eq!(without_secrets(text), shown);
    }
}

#[test]
fn what_is_masked_is_told_to_who_looks_for_it_elsewhere() {
    let address = format!("rtsp://us:p%40w@h/0/v:w1?channel=1&authbasic={BASIC}");
    let told: Vec<_> = address_secrets(&address)
        .into_iter()
        .map(|secret| format!("{}={}", secret.key, secret.value))
        .collect();
    let basic = format!("authbasic={BASIC}");
    assert_eq!(
        told,
        ["username=us", "password=p@w", "=v:w1", basic.as_str()]
    );
}

proptest! {
    #[test]
    fn an_unknown_key_never_shows_its_value(key in "[a-z]{1,12}", secret in "[A-Z][a-z0-9]{6,12}QZX", encode in any::<bool>()) {
        let pair = if encode { format!("{key}%3D{secret}") } else { format!("{key}={secret}") };
        for address in [
            format!("rtsp://h/x?channel=1&{pair}"),
            format!("rtsp://h/{pair}"),
            format!("rtsp://h/channel=1_{pair}_stream=0"),
            format!("rtsp://{key}:{secret}@h/x"),
            format!("rtsp://h/x#{secret}"),
        ] {
            let shown = shown_address(&address);
            prop_assert!(!shown.contains("QZX"), "{shown}");
            let shown = without_secrets(&format!("at {address}, failed"));
            prop_assert!(!shown.contains("QZX"), "{shown}");
        }
    }

    #[test]
    fn no_text_makes_the_masking_panic(text in "\\PC*") {
        let _ = without_secrets(&text);
        let _ = shown_address(&text);
        let _ = shown_address(&format!("rtsp://{text}"));
    }
}
