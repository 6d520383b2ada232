//! `-L mqtt://user:password@host:port/topic`.

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether over TLS.
    pub has_tls: bool,
    /// Whether WebSocket carries the packets.
    pub websocket: bool,
    /// User name.
    pub user_name: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port, if it is said.
    pub port: Option<u16>,
    /// Topic; may be empty.
    pub topic: String,
}

/// Parses a URL; tells what is wrong with it otherwise.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let (has_tls, websocket, rest) = match text.split_once("://") {
        Some(("mqtt", rest)) => (false, false, rest),
        Some(("mqtts", rest)) => (true, false, rest),
        Some(("ws", rest)) => (false, true, rest),
        Some(("wss", rest)) => (true, true, rest),
        _ => return Err("write mqtt://[user[:password]@]host[:port]/topic, or mqtts://, ws://, wss://".into()),
    };
    let (authority, topic) = rest.split_once('/').unwrap_or((rest, ""));
    let (who, place) = authority.rsplit_once('@').map_or((None, authority), |(who, place)| (Some(who), place));
    let (user_name, password) = match who.map(|who| who.split_once(':').map_or((who, None), |(u, p)| (u, Some(p)))) {
        Some((user, password)) => (Some(decoded(user)?), password.map(decoded).transpose()?),
        None => (None, None),
    };
    let (host, port) = place_parts(place)?;
    Ok(Url { has_tls, websocket, user_name, password, host, port, topic: decoded(topic)? })
}

/// Host and port of `host`, `host:port`, `[::1]` or `[::1]:port`.
fn place_parts(place: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or(port))),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("the host is missing".into());
    }
    let port = port.map(|port| port.parse().map_err(|_| format!("`{port}` is no port"))).transpose()?;
    Ok((host.to_owned(), port))
}

/// Text with `%41` for bytes that have a meaning in a URL.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| digit.and_then(|d| char::from(d).to_digit(16)));
        let [Some(high), Some(low)] = digits else { return Err(format!("`{text}` has a % without two digits")) };
        bytes.push((high << 4 | low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| format!("`{text}` is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = parse_url("mqtt://me:p%40ss@[::1]:1884/a/b c").expect("a URL");
        assert_eq!((url.user_name.as_deref(), url.password.as_deref()), (Some("me"), Some("p@ss")));
        assert_eq!((url.host.as_str(), url.port, url.topic.as_str()), ("::1", Some(1884), "a/b c"));
        let url = parse_url("mqtt://host/t").expect("a URL");
        assert_eq!((url.user_name, url.port, url.host.as_str()), (None, None, "host"));
        assert_eq!(parse_url("mqtt://host").expect("a URL").topic, "");
        let carrier = |text| parse_url(text).map(|url| (url.has_tls, url.websocket));
        assert_eq!((carrier("mqtt://h"), carrier("mqtts://h")), (Ok((false, false)), Ok((true, false))));
        assert_eq!((carrier("ws://h"), carrier("wss://h")), (Ok((false, true)), Ok((true, true))));
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for bad in
            ["host/t", "http://h/t", "mqtt:///t", "mqtt://h:x/t", "mqtt://h:70000/t", "mqtt://h/%4", "mqtt://h/%ff"]
        {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }
}
