//! Requests as bytes on a socket, for what no HTTP client would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One step of sending.
pub enum Step {
    Send(Vec<u8>),
    /// Sends nothing for a while, with the connection open.
    Wait(Duration),
    /// Closes the sending half.
    Close,
}

/// Sends the steps and reads the first response: its status and body. Status 0 stands for a
/// connection that was closed without one.
pub async fn exchange(url: &str, steps: Vec<Step>) -> (u16, String) {
    let socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let (mut reader, mut writer) = socket.into_split();
    let sending = tokio::spawn(async move {
        for step in steps {
            // A refusal may close the connection while we still send.
            let sent = match step {
                Step::Send(bytes) => writer.write_all(&bytes).await,
                Step::Wait(time) => {
                    tokio::time::sleep(time).await;
                    Ok(())
                }
                Step::Close => writer.shutdown().await,
            };
            if sent.is_err() {
                break;
            }
        }
        writer
    });
    let mut response = Vec::new();
    let read = async {
        let mut chunk = [0; 4096];
        while !is_whole(&response) {
            match reader.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(bytes) => response.extend_from_slice(&chunk[..bytes]),
            }
        }
    };
    timeout(Duration::from_secs(30), read).await.expect("a response, or a closed connection");
    sending.abort();
    parse(&response)
}

fn split(response: &[u8]) -> Option<(String, &[u8])> {
    let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    Some((String::from_utf8_lossy(&response[..end]).to_ascii_lowercase(), &response[end + 4..]))
}

fn is_whole(response: &[u8]) -> bool {
    let Some((head, body)) = split(response) else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.is_some_and(|length| body.len() >= length.trim().parse::<usize>().unwrap())
}

fn parse(response: &[u8]) -> (u16, String) {
    let Some((head, body)) = split(response) else { return (0, String::new()) };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, String::from_utf8_lossy(body).into_owned())
}
