//! The HTTP request that becomes a WebSocket (RFC 6455 section 4.2, MQTT section 6).

use super::super::secure::Secure;
use super::WebSocket;
use crate::base::limits::UPGRADE_REQUEST_BYTES;
use crate::config::Origins;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, Response, create_response, write_response};
use tungstenite::http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tungstenite::http::{HeaderValue, StatusCode};

/// End of the head of a request.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Last part of the path clients ask for. The root is answered too: there is nothing else here.
const PATH: &str = "/mqtt";

/// Subprotocols by their names in the registry: all versions, and 3.1 as it was called before.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// How a listener's requests are answered.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// Web pages that may connect.
    pub origins: Origins,
    /// Bytes of the largest message of a client whose CONNECT was taken.
    pub packet_size: usize,
    /// Bytes of the largest message before that.
    pub packet_size_before_connect: usize,
}

impl Upgrade {
    /// Reads a request and answers it.
    pub(in super::super) async fn accept(&self, mut stream: Secure) -> io::Result<WebSocket> {
        let (head, rest) = read_head(&mut stream).await?;
        let answer = match Request::try_parse(&head) {
            Ok(Some((_, request))) => self.answer(&request),
            Ok(None) | Err(_) => Err(StatusCode::BAD_REQUEST),
        };
        let (response, refused) = match answer {
            Ok(response) => (response, None),
            Err(status) => (refusal(status), Some(status)),
        };
        let mut bytes = Vec::new();
        write_response(&mut bytes, &response).map_err(io::Error::other)?;
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        if let Some(status) = refused {
            stream.shutdown().await?;
            return Err(io::Error::other(format!("a request for WebSocket was refused: {status}")));
        }
        Ok(WebSocket::new(stream, rest, self))
    }

    fn answer(&self, request: &Request) -> Result<Response, StatusCode> {
        let path = request.uri().path();
        if path != "/" && !path.ends_with(PATH) {
            return Err(StatusCode::NOT_FOUND);
        }
        if !self.is_welcome(request) {
            return Err(StatusCode::FORBIDDEN);
        }
        let mut response = create_response(request).map_err(|_| StatusCode::BAD_REQUEST)?;
        // [MQTT-6.0.0-3]: a client names the subprotocol; the first it names that is known is taken.
        let subprotocol = subprotocol(request).ok_or(StatusCode::BAD_REQUEST)?;
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        Ok(response)
    }

    /// Whether the page that asks may. A client that is no browser names none.
    fn is_welcome(&self, request: &Request) -> bool {
        let Some(origin) = text(request, &ORIGIN) else { return !request.headers().contains_key(ORIGIN) };
        let origin = origin.to_ascii_lowercase();
        match &self.origins {
            Origins::Any => true,
            Origins::Listed(origins) => origins.contains(&origin),
            Origins::SameHost => {
                let page = origin.split_once("://").map(|(_, host)| without_port(host));
                let asked = text(request, &HOST).map(|host| without_port(host).to_ascii_lowercase());
                page.is_some() && page == asked.as_deref()
            }
        }
    }
}

fn text<'r>(request: &'r Request, name: &HeaderName) -> Option<&'r str> {
    request.headers().get(name)?.to_str().ok()
}

/// A host without its port; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    }
}

fn subprotocol(request: &Request) -> Option<&'static str> {
    let values = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let mut named = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
    named.find_map(|named| SUBPROTOCOLS.into_iter().find(|known| *known == named))
}

fn refusal(status: StatusCode) -> Response {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// The head of the request, and what came behind it.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::with_capacity(1 << 10);
    loop {
        let seen = head.len().saturating_sub(HEAD_END.len() - 1);
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = head[seen..].windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END) {
            let rest = head.split_off(seen + end + HEAD_END.len());
            return Ok((head, rest));
        }
        if head.len() > UPGRADE_REQUEST_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the request for WebSocket is too long"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(origins: &Origins, path: &str, more: &str) -> u16 {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: gate.home:9001\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
        );
        let (_, request) = Request::try_parse(head.as_bytes()).unwrap().unwrap();
        let upgrade = Upgrade { origins: origins.clone(), packet_size: 1, packet_size_before_connect: 1 };
        upgrade.answer(&request).map_or_else(|status| status.as_u16(), |response| response.status().as_u16())
    }

    #[test]
    fn paths_that_end_in_mqtt_are_answered() {
        let ask = |path| status(&Origins::Any, path, "Sec-WebSocket-Protocol: mqtt\r\n");
        for (path, expected) in
            [("/mqtt", 101), ("/", 101), ("/gate/mqtt", 101), ("/mqtt?a=b", 101), ("/mqttt", 404), ("/metrics", 404)]
        {
            assert_eq!(ask(path), expected, "{path}");
        }
    }

    #[test]
    fn a_subprotocol_of_mqtt_must_be_named() {
        let ask = |more| status(&Origins::Any, "/mqtt", more);
        for (more, expected) in [
            ("Sec-WebSocket-Protocol: mqtt\r\n", 101),
            ("Sec-WebSocket-Protocol: mqttv3.1\r\n", 101),
            ("Sec-WebSocket-Protocol: chat, mqtt\r\n", 101),
            ("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: mqtt\r\n", 101),
            ("Sec-WebSocket-Protocol: chat\r\n", 400),
            ("", 400),
        ] {
            assert_eq!(ask(more), expected, "{more}");
        }
    }

    #[test]
    fn pages_of_elsewhere_are_refused() {
        let ask = |origins: &Origins, origin: &str| {
            status(origins, "/mqtt", &format!("Sec-WebSocket-Protocol: mqtt\r\nOrigin: {origin}\r\n"))
        };
        let same = Origins::SameHost;
        assert_eq!(ask(&same, "http://gate.home"), 101);
        assert_eq!(ask(&same, "https://GATE.home:8080"), 101);
        for origin in
            ["http://evil.example", "http://gate.home.evil.example", "http://[gate.home]", "null", "", "\u{e4}"]
        {
            assert_eq!(ask(&same, origin), 403, "{origin}");
        }
        let listed = Origins::Listed(vec!["https://house.example".into()]);
        assert_eq!(ask(&listed, "https://House.example"), 101);
        assert_eq!(ask(&listed, "https://house.example:1"), 403);
        assert_eq!(ask(&listed, "http://gate.home"), 403);
        assert_eq!(ask(&Origins::Any, "http://evil.example"), 101);
        assert_eq!(status(&listed, "/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n"), 101, "no browser");
    }

    #[tokio::test]
    async fn the_head_ends_where_it_ends_however_it_is_cut() {
        let whole = b"GET /mqtt HTTP/1.1\r\nHost: a\r\n\r\nrest";
        for cut in 0..whole.len() {
            let (front, back) = whole.split_at(cut);
            let (head, mut rest) = read_head(&mut front.chain(back)).await.unwrap();
            assert!(head.ends_with(HEAD_END) && head.len() == whole.len() - 4);
            rest.extend(&whole[head.len() + rest.len()..]);
            assert_eq!(rest, b"rest");
        }
    }

    #[tokio::test]
    async fn a_head_without_end_is_given_up() {
        let mut endless = tokio::io::repeat(b'a');
        let error = read_head(&mut endless).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
